"""Texts of one shape, ready for interventions on their tails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from audit.records import Array
from probes.branch import Tails, branch
from probes.head import log_probabilities, token_logits
from probes.intervention import Intervention, Place
from probes.job import Job
from probes.model import LoadedModel
from probes.prefix import KeyValues, read_prefix

#: Where a token of an answer is predicted: row of the batch, position; the token; arm, job, and its sign.
_Cell = tuple[int, int, int, int, int, int]


class TailBatch:
    """Jobs of one shape: the tails of arm a, then of arm b (once per input of the questions).

    Inputs of unequal length are filled up with their last token: what comes later changes nothing before it.
    """

    def __init__(self, model: LoadedModel, jobs: Sequence[Job]) -> None:
        self.net, self.jobs = model.net, jobs
        self.arms, self.copies = len(jobs[0].questions), len(jobs[0].questions[0].inputs)
        self.start = jobs[0].start
        self.device = self.net.device
        longest = max(len(each.ids) for each in jobs[0].questions[0].inputs)
        rows = [
            job.questions[arm].inputs[copy].ids
            for arm in range(self.arms)
            for copy in range(self.copies)
            for job in jobs
        ]
        filled = [[*ids, *[ids[-1]] * (longest - len(ids))] for ids in rows]
        self.ids = torch.tensor(filled, device=self.device)
        self.partner = torch.arange(len(rows), device=self.device).roll(len(rows) // self.arms)
        self.cells = list(self._cells())

    def _cells(self) -> Iterator[_Cell]:
        for arm in range(self.arms):
            for number, job in enumerate(self.jobs):
                asked = job.questions[arm]
                for cells, sign in ((asked.first, 1), (asked.second, -1)):
                    for copy, position, token in cells:
                        row = (arm * self.copies + copy) * len(self.jobs) + number
                        yield row, position, token, arm, number, sign

    def prefix(self) -> KeyValues:
        """Keys and values of what both texts of each pair begin with."""
        return read_prefix(self.net, self.ids[: len(self.jobs), : self.start])

    def run(
        self, prefix: KeyValues, start: int, interventions: Sequence[Intervention]
    ) -> tuple[Array, KeyValues]:
        """Log-odds ``y``, unedited and under every intervention.

        Args:
            prefix: keys and values of the texts up to ``start``.
            start: where the tails begin.
            interventions: their rows count from the texts' first token.
        Returns:
            ``[1 + interventions, arms, jobs]`` nats, and the tails' keys and values.
        """
        return self._run(prefix, start, interventions, self.partner)

    def _run(
        self, prefix: KeyValues, start: int, interventions: Sequence[Intervention], partner: torch.Tensor
    ) -> tuple[Array, KeyValues]:
        scored = self._scored()
        asked = tuple(position - start for position in scored)
        moved = [_moved(intervention, start) for intervention in interventions]
        hidden, seen = branch(self.net, prefix, Tails(self.ids[:, start:], start, partner, asked), moved)
        return self._log_odds(hidden, scored), seen

    def _scored(self) -> list[int]:
        """Positions that predict a token of an answer, ascending."""
        return sorted({position for _, position, *_ in self.cells})

    def _log_odds(self, hidden: torch.Tensor, positions: Sequence[int]) -> Array:
        """From final hidden states ``[copies, texts, positions, width]`` of those positions."""
        shape = (hidden.shape[0], self.arms, len(self.jobs))
        cells = torch.tensor(self.cells, device=self.device)
        row, position, token, arm, number, sign = cells.T
        at = [positions.index(place) for place in position.tolist()]
        states = hidden[:, row, at]
        if self._two_tokens(cells):
            # The normaliser of two tokens at one place cancels: two logits do.
            logits = token_logits(self.net, states[:, ::2], token.reshape(-1, 2)).double()
            y = logits[..., 0] - logits[..., 1]
            return np.asarray(y.reshape(shape).cpu().numpy())
        tokens = token.repeat(len(states))
        found = log_probabilities(self.net, states.reshape(-1, states.shape[-1]), tokens).double()
        y = torch.zeros(shape[0], self.arms * len(self.jobs), dtype=torch.float64, device=self.device)
        y.index_add_(1, arm * len(self.jobs) + number, found.reshape(len(states), -1) * sign)
        return np.asarray(y.reshape(shape).cpu().numpy())

    def _two_tokens(self, cells: torch.Tensor) -> bool:
        """Whether every question compares two tokens at one place."""
        if len(cells) != 2 * self.arms * len(self.jobs):
            return False
        first, second = cells[::2], cells[1::2]
        places = [0, 1, 3, 4]
        opposed = bool((first[:, 5] == 1).all() and (second[:, 5] == -1).all())
        return opposed and torch.equal(first[:, places], second[:, places])

    @torch.no_grad()
    def route_error(self) -> float:
        """Largest difference, in nats, between log-odds of the tails and of whole texts.

        Nothing is edited in the first copy of the tails; in others every text borrows rows of its own, at its
        beginning in the first layer and where it is scored in the last one. So it shows families whose layers do
        what a tail over a shared prefix cannot express, such as a sliding window that is shorter than the
        text, and those whose code lets neither a batch grow nor single rows be computed.
        """
        states = self.net.base_model(input_ids=self.ids, use_cache=False)[0][None]
        whole = self._log_odds(states, range(self.ids.shape[1]))
        last = self.net.config.get_text_config().num_hidden_layers - 1
        places = (Place(0, 0, (self.start,)), Place(last, 0, (self._scored()[-1],)))
        own = torch.arange(len(self.ids), device=self.device)
        trials = [Intervention((place,)) for place in places]
        tails, _ = self._run(self.prefix(), self.start, trials, own)
        return float(np.abs(whole - tails).max())


def _moved(intervention: Intervention, start: int) -> Intervention:
    """The same with rows that count from the tail's first token."""
    places = {
        place: place._replace(rows=tuple(row - start for row in place.rows)) for place in intervention.places
    }
    means = {places[place]: mean for place, mean in intervention.means.items()}
    return Intervention(tuple(places.values()), intervention.kind, means)
