"""Who measures the batches of a run: this process, or workers that load the model for themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from audit.backend import load_unproven
from audit.batch_key import PACKAGES
from audit.batches import Alone, Crew
from audit.environment import describe_environment
from audit.errors import ModelError
from audit.instruments import instruments
from audit.local_worker import DIED, LocalWorker
from audit.pairs import Pair
from audit.protocols import Model, Probe
from audit.request import Request
from audit.results import ModelInfo
from audit.workers import Workers


@contextmanager
def crew_of(
    request: Request,
    model: Model,
    info: ModelInfo,
    pairs: Sequence[Pair],
    probes: Sequence[Probe],
    environment: Mapping[str, Any],
) -> Iterator[Crew]:
    """The crew that a request asks for, at work until the block ends.

    Args:
        request: how many workers, and of which engine; where they find the model.
        model, info: loaded here; and what it is.
        pairs: all that are measured.
        probes: of all stages.
        environment: ``versions`` and ``threads`` of each process.
    """
    threads = environment["threads"]
    hire = Hire(request, tuple(pairs), threads, info.hashes, environment["versions"])
    if request.engine == "ray":
        from audit.ray_worker import ray_workers

        with ray_workers(hire, request.workers, threads) as crew:
            yield crew
    elif request.workers > 1:
        with Workers(partial(LocalWorker, hire), request.workers, DIED) as workers:
            yield workers
    else:
        yield Alone(model, pairs, probes, request.config)


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
        hashes: of the model that was proven.
        versions: of the packages that it was proven with.
    """

    request: Request
    pairs: tuple[Pair, ...]
    threads: int
    hashes: Mapping[str, str]
    versions: Mapping[str, str | None]

    def __call__(self) -> Crew:
        """Load the model and the probes.

        Raises:
            ModelError: they are not those of the process that hires, as on another machine.
        """
        import torch

        torch.set_num_threads(self.threads)
        config, here = self.request.config, describe_environment(self.threads)["versions"]
        if other := [name for name in PACKAGES if here[name] != self.versions[name]]:
            told = (
                f"a worker has {other[0]} {here[other[0]]}; expected {self.versions[other[0]]}, as was proven"
            )
            raise ModelError(told)
        model = load_unproven(self.request.model, config, self.request.allow_pickle)
        if model.describe(()).hashes != self.hashes:
            raise ModelError(f"{self.request.model}: a worker found other files there than were proven")
        return Alone(model, self.pairs, instruments(config.probes).by_pair, config)
