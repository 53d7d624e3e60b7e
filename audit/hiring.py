"""Who measures the batches of a run: this process, or workers that load the model for themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.backend import load_unproven
from audit.batches import Alone, Crew
from audit.instruments import instruments
from audit.pairs import Pair
from audit.protocols import Model, Probe
from audit.request import Request
from audit.workers import Workers


def crew_of(
    request: Request, model: Model, pairs: Sequence[Pair], probes: Sequence[Probe], threads: int
) -> Crew:
    """The crew that a request asks for.

    Args:
        request: how many workers; where they find the model.
        model: loaded here.
        pairs: all that are measured.
        probes: of all stages.
        threads: of each process.
    """
    if request.workers == 1:
        return Alone(model, pairs, probes, request.config)
    return Workers(Hire(request, tuple(pairs), threads), request.workers)


def threads_of(workers: int) -> int:
    """Share the threads of this process among workers, and keep to the share here, too; returns it."""
    import torch

    if workers > 1:
        torch.set_num_threads(max(1, torch.get_num_threads() // workers))
    return torch.get_num_threads()


@dataclass(frozen=True, slots=True)
class Hire:
    """What a worker starts with, in a process of its own.

    Args:
        request: names the model, which was proven before.
        pairs: all that are measured, by whomever.
        threads: of the worker.
    """

    request: Request
    pairs: tuple[Pair, ...]
    threads: int

    def __call__(self) -> Crew:
        """Load the model and the probes."""
        import torch

        torch.set_num_threads(self.threads)
        config = self.request.config
        model = load_unproven(self.request.model, config, self.request.allow_pickle)
        return Alone(model, self.pairs, instruments(config.probes).by_pair, config)
