"""Interventions in whole passes, for models of every family: the batch holds the texts once per intervention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from audit.records import Array
from probes.forward import forward
from probes.head import VOCABULARY_HEADS
from probes.intervention import Intervention
from probes.job import Job, finite, joined, only_rounding, portions
from probes.model import LoadedModel
from probes.questions import Input, Question, log_scores
from probes.route import instrument
from probes.row_edits import RowEdits

#: Tokens computed at once; larger gains nothing on two cores and costs memory.
_POSITIONS = 6144
#: Scores over a vocabulary that are held at once.
_SCORES = 2**24

#: Text of the batch, position, index, and whether the cell counts for the first answer or against it.
_Cell = tuple[int, int, int, int]


class WholePasses:
    """Reads every text once per intervention, from the first layer to the answer.

    Args:
        model: of any family that can be asked a question.
    """

    told = "whole passes, each text once per intervention"

    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    def why_not(self, job: Job) -> str | None:
        """Try an unedited copy in a batch beside every text on its own."""
        try:
            together = self._run([job], [Intervention(())])[1]
            apart = np.array([[self._alone(job, arm)] for arm in range(len(job.questions))])
        except (RuntimeError, TypeError, ValueError) as failure:
            first = str(failure).strip().split("\n")[0]
            return f"interventions cannot be run on {type(self._model.net).__name__} ({first})"
        error = float(np.abs(together - apart).max())
        if only_rounding(error, self._model.net.dtype):
            return None
        return f"interventions are not exact on this model: a batch moves the log-odds by {error:.2g} nats"

    def log_odds(self, jobs: Sequence[Job], interventions: Sequence[Intervention]) -> Array:
        """See :class:`probes.job.Engine`."""
        parts = []
        for some, ranges in portions(jobs, len(interventions), self._texts(jobs[0].questions[0])):
            runs = [(numbers, self._run(some, [interventions[n] for n in numbers])) for numbers in ranges]
            parts.append(joined(runs))
        return finite(jobs, np.concatenate(parts, axis=2))

    def _texts(self, asked: Question) -> int:
        """How many copies of a text are read at once."""
        texts = _POSITIONS // max(len(each.ids) + len(each.decoded) for each in asked.inputs)
        if self._model.head not in VOCABULARY_HEADS:
            return texts
        positions = len({position for _, position, _ in (*asked.first, *asked.second)})
        vocabulary = int(self._model.net.config.get_text_config().vocab_size)
        return min(texts, _SCORES // (positions * vocabulary))

    @torch.no_grad()
    def _run(self, jobs: Sequence[Job], interventions: Sequence[Intervention]) -> Array:
        """``[1 + interventions, arms, jobs]`` nats in one pass per input of the questions."""
        copies, arms = 1 + len(interventions), len(jobs[0].questions)
        y = torch.zeros(copies, arms * len(jobs), dtype=torch.float64, device=self._model.device)
        for number in range(len(jobs[0].questions[0].inputs)):
            cells = list(_cells(jobs, number))
            inputs = [job.questions[arm].inputs[number] for arm in range(arms) for job in jobs]
            positions = sorted({position for _, position, _, _ in cells})
            partner = torch.arange(len(inputs), device=self._model.device).roll(len(inputs) // arms)
            edits = RowEdits(self._model.anatomy, interventions, partner)
            with instrument(edits), _only_at(self._model, positions) as cut:
                output = self._forward(inputs, copies)
            edits.check()
            scores = log_scores(self._model, output)
            scores = scores.reshape(copies, len(inputs), *scores.shape[1:])
            at = [positions.index(position) if cut else position for _, position, _, _ in cells]
            text, _, index, sign = torch.tensor(cells, device=scores.device).T
            y.index_add_(1, text, scores[:, text, at, index].double() * sign)
        found: Array = y.reshape(copies, arms, len(jobs)).cpu().numpy()
        return found

    def _forward(self, inputs: Sequence[Input], copies: int) -> Any:
        def batch(rows: Sequence[Sequence[int]]) -> torch.Tensor:
            return torch.tensor(rows, device=self._model.device).repeat(copies, 1)

        decoded = batch([each.decoded for each in inputs]) if inputs[0].decoded else None
        types = batch([each.types for each in inputs]) if inputs[0].types else None
        return forward(self._model.net, batch([each.ids for each in inputs]), None, decoded, types)

    @torch.no_grad()
    def _alone(self, job: Job, arm: int) -> float:
        """``y`` of one text, each input in a pass of its own that nothing watches."""
        asked, total = job.questions[arm], 0.0
        for number, each in enumerate(asked.inputs):
            scores = log_scores(self._model, self._forward([each], 1))[0]
            for cells, sign in ((asked.first, 1), (asked.second, -1)):
                total += sign * sum(float(scores[at, index]) for of, at, index in cells if of == number)
        return total


def _cells(jobs: Sequence[Job], number: int) -> Iterator[_Cell]:
    """Where the answers to one input are found, arm by arm."""
    arms = len(jobs[0].questions)
    asked = [job.questions[arm] for arm in range(arms) for job in jobs]
    for text, each in enumerate(asked):
        for cells, sign in ((each.first, 1), (each.second, -1)):
            yield from ((text, position, index, sign) for of, position, index in cells if of == number)


@contextmanager
def _only_at(model: LoadedModel, positions: Sequence[int]) -> Iterator[list[bool]]:
    """Let only some positions meet the vocabulary; the list is empty as long as none was left out."""
    cut: list[bool] = []

    def select(_module: torch.nn.Module, args: tuple[Any, ...]) -> Any:
        (states,) = args
        if states.ndim != 3:
            return None
        cut.append(True)
        return (states[:, list(positions)],)

    head = model.net.get_output_embeddings() if model.head in VOCABULARY_HEADS else None
    handle = None if head is None else head.register_forward_pre_hook(select)
    try:
        yield cut
    finally:
        if handle is not None:
            handle.remove()
