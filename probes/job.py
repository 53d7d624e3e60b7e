"""What engines of interventions are given, what they give back, and how their work is cut."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch

from audit.errors import MeasurementError
from audit.records import Array, Stream
from probes.intervention import Intervention
from probes.questions import Question

Shape = tuple[object, ...]

#: Log-odds that must be alike may differ by rounding only, in nats.
_ROUNDING = {torch.float32: 1e-3}
_COARSE_ROUNDING = 0.5


class Spot(NamedTuple):
    """Attention rows that are read: of which stream, of which query positions."""

    stream: Stream
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """One pair (or one text), tokenised.

    Args:
        name: the pair's id.
        questions: of arm a and arm b; or of one text alone. They read equally many tokens.
        start: the first token in which the texts differ, or whose row is edited.
        pronoun: the swapped mention's rows.
        following: the row that predicts the answer's first token; None where no row does.
    """

    name: str
    questions: tuple[Question, ...]
    start: int
    pronoun: Spot
    following: Spot | None

    @property
    def unchanged(self) -> bool:
        """Whether both texts are the same."""
        return self.questions[0] == self.questions[-1]

    @property
    def shape(self) -> Shape:
        """Jobs of one shape share a batch without padding."""
        first = self.questions[0]
        lengths = tuple((len(each.ids), len(each.decoded)) for each in first.inputs)
        answers = (len(first.first), len(first.second))
        return (len(self.questions), lengths, self.start, self.pronoun, self.following, answers)


class Engine(Protocol):
    """Runs texts with heads edited."""

    @property
    def told(self) -> str:
        """How it does so, in a few words for the report."""

    def why_not(self, job: Job) -> str | None:
        """Why jobs of this shape cannot be intervened on exactly; None if they can."""

    def log_odds(self, jobs: Sequence[Job], interventions: Sequence[Intervention]) -> Array:
        """``y`` of every text, unedited and under every intervention.

        Args:
            jobs: of one shape.
            interventions: their rows count from the first token of the stream's queries.
        Returns:
            ``[1 + interventions, arms, jobs]`` nats; index 0 unedited.
        Raises:
            MeasurementError: the logits are NaN or infinite.
        """


def by_shape(jobs: Iterable[Job]) -> dict[Shape, list[Job]]:
    """Jobs that share batches."""
    shapes: dict[Shape, list[Job]] = defaultdict(list)
    for job in jobs:
        shapes[job.shape].append(job)
    return dict(shapes)


def portions(
    jobs: Sequence[Job], interventions: int, texts: int
) -> Iterator[tuple[Sequence[Job], list[range]]]:
    """Cut work so that no pass holds more than so many texts, if it can be helped.

    Args:
        jobs: of one shape; at least one.
        interventions: how many.
        texts: copies of texts in one pass, the unedited ones included.
    Returns:
        For each part of the jobs, which interventions go together; one empty range where there are none.
    """
    arms = len(jobs[0].questions)
    size = max(1, texts // (arms * (1 + interventions)))
    together = max(1, texts // (arms * size) - 1)
    starts = range(0, max(1, interventions), together)
    ranges = [range(start, min(start + together, interventions)) for start in starts]
    for first in range(0, len(jobs), size):
        yield jobs[first : first + size], ranges


def joined(runs: Sequence[tuple[Sequence[int], Array]]) -> Array:
    """Several runs of the same texts as one.

    Each is taken relative to its own unedited texts, so that rounding between batches is no effect.

    Args:
        runs: numbers of the interventions, and their ``[1 + interventions, arms, jobs]`` nats.
    Returns:
        The same of all interventions, in the order of their numbers.
    """
    base = runs[0][1][0]
    found = np.empty((1 + sum(len(numbers) for numbers, _ in runs), *base.shape))
    found[0] = base
    for numbers, y in runs:
        found[[1 + number for number in numbers]] = y[1:] - y[:1] + base
    return found


def only_rounding(difference: float, dtype: torch.dtype) -> bool:
    """Whether log-odds differ by no more than rounding, in nats."""
    return difference <= _ROUNDING.get(dtype, _COARSE_ROUNDING)


def finite(jobs: Sequence[Job], y: Array) -> Array:
    """Log-odds that are numbers.

    Raises:
        MeasurementError: some are NaN or infinite.
    """
    if not np.isfinite(y).all():
        raise MeasurementError(f"{jobs[0].name}: NaN or infinite logits under intervention")
    return y
