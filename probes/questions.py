"""What a model is asked: which tokens it reads, and which of its scores stand for either answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from audit.coreference import token_indices
from audit.errors import MeasurementError
from audit.mentions import alone
from audit.pairs import MASK, SEP
from audit.protocols import Encoding
from probes.completions import completion_ids
from probes.model import LoadedModel

#: ``(input, position, index)``: where in the scores an answer is found.
Cells = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Input:
    """One row that the network reads.

    Args:
        ids: its tokens; the encoder's in an encoder–decoder.
        decoded: what an encoder–decoder has decoded so far.
        types: of a text of two parts, which part each token is of; else empty.
    """

    ids: tuple[int, ...]
    decoded: tuple[int, ...] = ()
    types: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A text with two answers, ``y = Σ log-scores of the first − Σ log-scores of the second``.

    Args:
        inputs: what the network reads: one row where it scores both answers, else one for each.
        first, second: the cells of either answer.
    """

    inputs: tuple[Input, ...]
    first: Cells
    second: Cells


def question(model: LoadedModel, text: str, answers: tuple[str, str]) -> Question:
    """Ask a model which of two answers it gives to a text.

    What an answer is depends on the model's head: a continuation, what fills the mask, a label, a span of the
    context, or the beginning of a translation.

    Args:
        model: with a head that answers.
        text: as the suite writes it.
        answers: as the suite writes them.
    Raises:
        MeasurementError: the model cannot be asked that, for the reason told.
    """
    match model.head:
        case "causal-lm" | "seq2seq-lm":
            asked = _continued(model, text, answers)
        case "masked-lm":
            asked = _masked(model, text, answers)
        case "sequence-classification":
            asked = _labelled(model, text, answers)
        case "question-answering":
            asked = _pointed_at(model, text, answers)
        case _:
            raise MeasurementError(f"the model answers nothing ({model.head})")
    longest = max(max(len(each.ids), len(each.decoded)) for each in asked.inputs)
    if longest > model.max_length:
        raise MeasurementError("text and completion do not fit into the context window")
    return asked


def _continued(model: LoadedModel, text: str, answers: tuple[str, str]) -> Question:
    ids = model.encode(text).ids
    both = tuple(completion_ids(model, text, each) for each in answers)
    context = model.target_start if model.decodes else ids
    read = both[:1] if all(len(each) == 1 for each in both) else both
    inputs = [
        Input(ids, (*context, *each[:-1])) if model.decodes else Input((*ids, *each[:-1])) for each in read
    ]
    first, second = (
        tuple((min(number, len(read) - 1), len(context) - 1 + step, token) for step, token in enumerate(each))
        for number, each in enumerate(both)
    )
    return Question(tuple(inputs), first, second)


def mask_places(model: LoadedModel, ids: Sequence[int]) -> list[int]:
    """Where a masked model's tokens are masked."""
    return [place for place, token in enumerate(ids) if token == model.tokenizer.mask_token_id]


def _widened(model: LoadedModel, text: str, tokens: int) -> tuple[Input, int]:
    """A text with so many mask tokens where it says ``[MASK]``, and where they begin."""
    found = model.encode(text)
    at = mask_places(model, found.ids)[0]
    ids = (*found.ids[:at], *[found.ids[at]] * tokens, *found.ids[at + 1 :])
    types = (*found.types[:at], *found.types[at : at + 1] * tokens, *found.types[at + 1 :])
    return Input(ids, (), types), at


def _filling(model: LoadedModel, text: str, answer: str) -> tuple[int, ...]:
    """The tokens that an answer has where the text says ``[MASK]``."""
    start = text.index(MASK)
    filled = text.replace(MASK, answer)
    found = model.encode(filled)
    tokens = token_indices((start, start + len(answer)), found)
    if not _cover(filled, tokens, found, answer):
        raise MeasurementError(f"the completion {answer!r} merges with what stands beside {MASK} in {text!r}")
    filling = tuple(found.ids[token] for token in tokens)
    if model.tokenizer.unk_token_id in filling:
        raise MeasurementError(f"the tokenizer does not know the completion {answer!r}")
    return filling


def _cover(text: str, tokens: Sequence[int], found: Encoding, answer: str) -> bool:
    """Whether an answer's tokens spell nothing but the answer, spaces aside."""
    return not tokens or text[found.offsets[tokens[0]][0] : found.offsets[tokens[-1]][1]].strip() == answer


def _masked(model: LoadedModel, text: str, answers: tuple[str, str]) -> Question:
    if text.count(MASK) != 1:
        raise MeasurementError(
            f"the text has {text.count(MASK)} masks; expected one that the completions fill"
        )
    first, second = (_filling(model, text, each.strip()) for each in answers)
    if len(first) != len(second):
        told = f"{len(first)} against {len(second)} tokens"
        raise MeasurementError(f"a mask of one length cannot stand for both completions: {told}")
    if not first:
        raise MeasurementError(f"the tokenizer makes no token of {answers[0]!r}")
    asked, at = _widened(model, text, len(first))
    cells = [tuple((0, at + step, token) for step, token in enumerate(each)) for each in (first, second)]
    return Question((asked,), cells[0], cells[1])


def labels(model: LoadedModel) -> list[str]:
    """A classifier's labels in their order.

    Raises:
        MeasurementError: it gives no probability to classes.
    """
    config: Any = model.net.config
    if config.num_labels < 2 or config.problem_type in ("regression", "multi_label_classification"):
        kind = config.problem_type or "regression"
        raise MeasurementError(f"the classifier gives its labels no probabilities that add up to 1 ({kind})")
    return [str(config.id2label[number]) for number in range(config.num_labels)]


def _labelled(model: LoadedModel, text: str, answers: tuple[str, str]) -> Question:
    found, known = model.encode(text), labels(model)
    folded = [label.casefold() for label in known]
    cells = []
    for answer in answers:
        if (wanted := answer.strip().casefold()) not in folded:
            raise MeasurementError(f"the model has no label {answer.strip()!r}; it has {', '.join(known)}")
        cells.append(((0, 0, folded.index(wanted)),))
    return Question((Input(found.ids, (), found.types),), cells[0], cells[1])


def _pointed_at(model: LoadedModel, text: str, answers: tuple[str, str]) -> Question:
    found = model.encode(text)
    cells = []
    for answer in answers:
        tokens = _span_of(text, answer.strip(), [each.strip() for each in answers], found)
        cells.append(((0, 0, tokens[0]), (0, 1, tokens[-1])))
    return Question((Input(found.ids, (), found.types),), cells[0], cells[1])


def _span_of(text: str, answer: str, answers: Sequence[str], found: Encoding) -> tuple[int, ...]:
    """Tokens of an answer in the context."""
    begin = context_start(text)
    places = [span for span in alone(text, answer, answers) if span[0] >= begin]
    if len(places) != 1:
        raise MeasurementError(f"the answer {answer!r} is {len(places)} times in the context; expected once")
    if not (tokens := token_indices(places[0], found)):
        raise MeasurementError(f"the tokenizer makes no token of the answer {answer!r}")
    if not _cover(text, tokens, found, answer):
        raise MeasurementError(f"the answer {answer!r} shares a token with what stands beside it")
    return tokens


def context_start(text: str) -> int:
    """The character at which the context begins, behind the question.

    Raises:
        MeasurementError: the text is not of two parts.
    """
    if SEP not in text:
        raise MeasurementError(f"question and context cannot be told apart; expected '{SEP}' between them")
    return text.index(SEP) + len(SEP)


@torch.no_grad()
def log_scores(model: LoadedModel, output: Any) -> torch.Tensor:
    """The network's output as log-probabilities.

    Args:
        model: with a head that answers.
        output: of the whole network, for several inputs.
    Returns:
        ``[inputs, positions, classes]`` float64: the vocabulary at every position; labels (one position); or
        tokens as start and as end of the answer (two positions).
    """
    if model.head == "question-answering":
        scores = torch.stack([output.start_logits, output.end_logits], 1)
    else:
        scores = output.logits if output.logits.ndim == 3 else output.logits[:, None]
    found: torch.Tensor = scores.double().log_softmax(-1)
    return found
