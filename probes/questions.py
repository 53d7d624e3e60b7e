"""What a model is asked: which tokens it reads, and which of its scores stand for either answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from audit.errors import MeasurementError
from probes.completions import completion_ids
from probes.model import LoadedModel

#: ``(input, position, index)``: where in the scores an answer is found.
Cells = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Input:
    """One row that the network reads.

    Args:
        ids: its tokens.
        decoded: what an encoder–decoder has decoded so far.
        types: token types, where the tokenizer has any.
    """

    ids: tuple[int, ...]
    decoded: tuple[int, ...] = ()
    types: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A text with two answers, ``y = Σ log-scores of the first − Σ of the second``.

    Args:
        inputs: what the network reads.
        first, second: the cells of either answer.
    """

    inputs: tuple[Input, ...]
    first: Cells
    second: Cells


def question(model: LoadedModel, text: str, completions: tuple[str, str]) -> Question:
    """Ask a model about a text.

    Raises:
        MeasurementError: the model cannot answer, for the reason told.
    """
    if model.head == "masked-lm":
        return _masked(model, text, completions)
    if model.head not in ("causal-lm", "seq2seq-lm") or model.family == "encoder":
        raise MeasurementError(f"an {model.family} ({model.head}) does not continue a text")
    ids = model.encode(text).ids
    first, second = (completion_ids(model, text, each) for each in completions)
    context = ids if model.family == "decoder" else model.target_start
    last = len(context) - 1
    answers = (first,) if len(first) == len(second) == 1 else (first, second)
    inputs = tuple(
        Input((*ids, *each[:-1])) if model.family == "decoder" else Input(ids, (*context, *each[:-1]))
        for each in answers
    )
    cells = [
        tuple((min(number, len(inputs) - 1), last + step, token) for step, token in enumerate(each))
        for number, each in enumerate((first, second))
    ]
    return Question(inputs, cells[0], cells[1])


def _masked(model: LoadedModel, text: str, completions: tuple[str, str]) -> Question:
    ids, mask = model.encode(text).ids, model.tokenizer.mask_token_id
    if ids.count(mask) != 1:
        raise MeasurementError("an encoder does not continue a text, so completions have no probability")
    at = ids.index(mask)
    first, second = (
        model.tokenizer(each.strip(), add_special_tokens=False)["input_ids"] for each in completions
    )
    if len(first) != len(second):
        raise MeasurementError("the completions have different numbers of tokens")
    wide = (*ids[:at], *[mask] * len(first), *ids[at + 1 :])
    cells = [tuple((0, at + step, token) for step, token in enumerate(each)) for each in (first, second)]
    return Question((Input(wide),), cells[0], cells[1])


@torch.no_grad()
def log_scores(model: LoadedModel, output: Any) -> torch.Tensor:
    """``[inputs, positions, classes]`` log-softmaxed logits over the last axis."""
    scores: torch.Tensor = output.logits.double().log_softmax(-1)
    return scores
