"""Pairs of one shape, ready for interventions on their tails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from audit.errors import MeasurementError
from audit.pairs import Pair
from probes.branch import Intervention, KeyValues, Place, Tails, branch, read_prefix
from probes.head import log_probabilities, token_logits
from probes.model import LoadedModel

#: Tail positions computed at once; larger gains nothing on two cores and costs memory.
_POSITIONS = 6144

Shape = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """One pair, tokenised.

    Args:
        pair: the pair.
        a, b: token ids of both texts, equally many; they differ from ``start`` on.
        rows: the swapped mention's tokens.
        completions: token ids of ``c_1`` and ``c_2``.
    """

    pair: Pair
    a: tuple[int, ...]
    b: tuple[int, ...]
    start: int
    rows: tuple[int, ...]
    completions: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def last(self) -> int:
        """The token whose row predicts the completion."""
        return len(self.a) - 1

    @property
    def shape(self) -> Shape:
        """Jobs of one shape share a batch without padding."""
        lengths = tuple(len(c) for c in self.completions)
        return (len(self.a), self.start, self.rows, lengths)


def by_shape(jobs: Iterable[Job]) -> dict[Shape, list[Job]]:
    """Jobs that share batches."""
    shapes: dict[Shape, list[Job]] = defaultdict(list)
    for job in jobs:
        shapes[job.shape].append(job)
    return dict(shapes)


def batches(jobs: Sequence[Job], copies: int) -> Iterator[Sequence[Job]]:
    """Cut jobs of one shape so that a batch with so many copies of each text fits into memory.

    Args:
        jobs: of one shape; at least one.
        copies: tails per text, the unedited one included.
    """
    size = max(1, _POSITIONS // (2 * copies * (len(jobs[0].a) - jobs[0].start)))
    for first in range(0, len(jobs), size):
        yield jobs[first : first + size]


class TailBatch:
    """Pairs of one shape: the tails of arm a, then of arm b (each once per completion if these are long)."""

    def __init__(self, model: LoadedModel, jobs: Sequence[Job]) -> None:
        self.net, self.jobs = model.net, jobs
        first, second = jobs[0].completions
        self.single = len(first) == len(second) == 1
        self.copies = 1 if self.single else 2
        self.length, self.start = len(jobs[0].a), jobs[0].start
        self.device = self.net.device
        self.ids = torch.tensor(
            [
                [*ids, *self._continuation(job, copy)]
                for text in ("a", "b")
                for copy in range(self.copies)
                for job in jobs
                for ids in (getattr(job, text),)
            ],
            device=self.device,
        )
        half = self.copies * len(jobs)
        self.partner = torch.arange(2 * half, device=self.device).roll(half)

    def _continuation(self, job: Job, copy: int) -> list[int]:
        if self.single:
            return []
        longest = max(len(c) for c in job.completions) - 1
        tokens = list(job.completions[copy][:-1])
        return tokens + [tokens[-1] if tokens else job.a[-1]] * (longest - len(tokens))

    def prefix(self) -> KeyValues:
        """Keys and values of what both texts of each pair begin with."""
        return read_prefix(self.net, self.ids[: len(self.jobs), : self.start])

    def run(
        self, prefix: KeyValues, start: int, interventions: Sequence[Intervention]
    ) -> tuple[np.ndarray, KeyValues]:
        """Log-odds ``y = log p(c_1) − log p(c_2)``, unedited and under every intervention.

        Args:
            prefix: keys and values of the texts up to ``start``.
            start: where the tails begin.
            interventions: their rows count from ``start``.
        Returns:
            ``[1 + interventions, 2 (arms), pairs]`` nats, and the tails' keys and values.
        Raises:
            MeasurementError: the logits are NaN or infinite.
        """
        tails = Tails(self.ids[:, start:], start, self.partner)
        hidden, seen = branch(self.net, prefix, tails, interventions)
        y = self._log_odds(hidden, start)
        if not np.isfinite(y).all():
            raise MeasurementError(f"{self.jobs[0].pair.pair_id}: NaN or infinite logits under intervention")
        return y, seen

    def _log_odds(self, hidden: torch.Tensor, start: int) -> np.ndarray:
        last, pairs = self.length - 1 - start, len(self.jobs)
        if self.single:
            firsts = [[c[0] for c in job.completions] for job in self.jobs]
            tokens = torch.tensor(firsts, device=self.device).repeat(2, 1)
            logits = token_logits(self.net, hidden[:, :, last], tokens).double()
            return (logits[..., 0] - logits[..., 1]).reshape(-1, 2, pairs).cpu().numpy()
        totals = torch.zeros(hidden.shape[0], 2, 2, pairs, dtype=torch.float64, device=self.device)
        split = hidden.reshape(hidden.shape[0], 2, 2, pairs, *hidden.shape[2:])
        for copy in range(2):
            for step in range(len(self.jobs[0].completions[copy])):
                wanted = torch.tensor([job.completions[copy][step] for job in self.jobs], device=self.device)
                states = split[:, :, copy, :, last + step]
                tokens = wanted.expand(states.shape[:-1]).reshape(-1)
                found = log_probabilities(self.net, states.reshape(-1, states.shape[-1]), tokens)
                totals[:, :, copy] += found.double().reshape(totals[:, :, copy].shape)
        return (totals[:, :, 0] - totals[:, :, 1]).cpu().numpy()

    @torch.no_grad()
    def route_error(self) -> float:
        """Largest difference, in nats, between log-odds of the tails and of whole texts, nothing edited.

        It shows families whose layers do what a tail over a shared prefix cannot express, such as a
        sliding window that is shorter than the text, or whose code does not let a batch grow.
        """
        first = Intervention((Place(0, 0, ()),))
        whole = self._log_odds(self.net.base_model(input_ids=self.ids, use_cache=False)[0][None], 0)
        tails, _ = branch(
            self.net, self.prefix(), Tails(self.ids[:, self.start :], self.start, self.partner), [first]
        )
        return float(np.abs(whole - self._log_odds(tails, self.start)).max())
