"""Asks a model many questions in few passes, and keeps the scores that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch

from probes.forward import forward
from probes.head import VOCABULARY_HEADS
from probes.model import LoadedModel
from probes.narrowed import narrowed
from probes.questions import Cells, Input, Question, log_scores
from probes.row_padding import pad_right, pad_types

Kept = TypeVar("Kept")
#: ``(position, index)`` of a score.
Place = tuple[int, int]

#: Tokens that are read at once, padding included; with a vocabulary at every position fewer.
_TOKENS, _SCORES = 1024, 2**25

#: Scores of what was read last, where they are few: a task's probe asks twice of every batch.
_last: WeakKeyDictionary[LoadedModel, dict[Input, torch.Tensor]] = WeakKeyDictionary()


def ask(
    model: LoadedModel,
    inputs: Sequence[Input],
    keep: Callable[[int, torch.Tensor], Kept],
    places: Sequence[Sequence[int]] | None = None,
) -> list[Kept]:
    """Read inputs, and keep of each what is wanted of its scores.

    Args:
        model: with a head that answers.
        inputs: what to read.
        keep: index of an input and its ``[positions, classes]`` log-scores → what to keep. Positions and
            classes behind the input's own tokens belong to padding.
        places: for each input of a masked model the positions that are wanted, at least one; ``keep`` gets
            these alone, in their order. None for all.
    Returns:
        What was kept, in the order of the inputs.
    """
    if model.head not in VOCABULARY_HEADS:
        known = _few_scores(model, inputs)
        return [keep(index, known[each]) for index, each in enumerate(inputs)]
    kept: dict[int, Kept] = {}
    for batch in _batches(model, inputs, whole=places is None):
        chosen = [places[index] for index in batch] if places is not None else []
        with narrowed(model, chosen) if chosen else nullcontext():
            scores = _read(model, [inputs[index] for index in batch])
        kept.update((index, keep(index, scores[row])) for row, index in enumerate(batch))
    return [kept[index] for index in range(len(inputs))]


def _few_scores(model: LoadedModel, inputs: Sequence[Input]) -> dict[Input, torch.Tensor]:
    """Scores of labels or of spans; what was read last is not read again."""
    last = _last.get(model, {})
    found = {each: last[each] for each in inputs if each in last}
    fresh = [each for each in dict.fromkeys(inputs) if each not in found]
    for batch in _batches(model, fresh, whole=True):
        scores = _read(model, [fresh[index] for index in batch])
        found.update((fresh[index], scores[row]) for row, index in enumerate(batch))
    _last[model] = found
    return found


def log_odds(model: LoadedModel, questions: Iterable[Question]) -> list[float]:
    """``y = log p(answer 1) − log p(answer 2)`` of questions, in nats and in their order.

    Args:
        model: with a head that answers.
        questions: asked of it; what recurs is read once.
    """
    asked = list(questions)
    wanted: dict[Input, set[Place]] = {}
    for one in asked:
        for number, position, index in (*one.first, *one.second):
            wanted.setdefault(one.inputs[number], set()).add((position, index))
    known = cell_scores(model, wanted)

    def total(one: Question, cells: Cells) -> float:
        return sum(known[one.inputs[number]][position, index] for number, position, index in cells)

    return [total(one, one.first) - total(one, one.second) for one in asked]


def cell_scores(
    model: LoadedModel, wanted: Mapping[Input, Collection[Place]]
) -> dict[Input, dict[Place, float]]:
    """Single scores of inputs, in nats.

    Args:
        model: with a head that answers.
        wanted: input → ``(position, index)`` of its scores, at least one.
    """
    inputs = list(wanted)
    positions = [sorted({position for position, _ in wanted[each]}) for each in inputs]
    narrow = model.head == "masked-lm"

    def keep(index: int, scores: torch.Tensor) -> dict[Place, float]:
        found = {}
        for position, choice in wanted[inputs[index]]:
            row = positions[index].index(position) if narrow else position
            found[position, choice] = float(scores[row, choice])
        return found

    return dict(zip(inputs, ask(model, inputs, keep, positions if narrow else None), strict=True))


def _batches(model: LoadedModel, inputs: Sequence[Input], *, whole: bool) -> Iterator[list[int]]:
    """Similar lengths together; only one length where padding would be read."""
    most = _most_tokens(model) if whole else _TOKENS
    kinds = [_kind(model, each) for each in inputs]
    order = sorted(range(len(inputs)), key=lambda at: (kinds[at], _length(inputs[at]), at))
    batch: list[int] = []
    for at in order:
        full = (len(batch) + 1) * _length(inputs[at]) > most
        if batch and (full or kinds[at] != kinds[batch[0]]):
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch


def _length(one: Input) -> int:
    return max(len(one.ids), len(one.decoded))


def _most_tokens(model: LoadedModel) -> int:
    """Tokens of a batch; few where each of them meets a vocabulary."""
    if model.head not in VOCABULARY_HEADS:
        return _TOKENS
    return min(_TOKENS, max(1, _SCORES // int(model.net.config.get_text_config().vocab_size)))


def _kind(model: LoadedModel, one: Input) -> tuple[int, int]:
    """Only inputs of one kind run together: of one length where padding is read, of as many ends where these are."""
    ends = 0
    if model.classifies_at_end:
        # BART's head reads the last of equally many.
        ends = one.ids.count(model.net.config.eos_token_id or -1)
    return ends, len(one.ids) if model.reads_padding else 0


@torch.no_grad()
def _read(model: LoadedModel, batch: Sequence[Input]) -> torch.Tensor:
    ids, mask = pad_right([each.ids for each in batch], model.device, model.pad)
    types = pad_types([each.types for each in batch], ids)
    decoded = None
    if model.decodes:
        # What stands behind the decoded tokens changes nothing before it, so it needs no mask.
        decoded, _ = pad_right([each.decoded for each in batch], model.device, model.pad)
    return log_scores(model, forward(model.net, ids, mask, decoded, types)).cpu()
