"""Workers that Ray runs, on this machine or on those of a cluster (extra ``ray``)."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stdout
from functools import cache
from importlib.util import find_spec
from typing import Any

from audit import ray_actor
from audit.batches import Batch, BatchResult, Crew
from audit.errors import InputError
from audit.workers import Workers

#: Bytes that Ray may keep in shared memory; what a batch gives is small.
_STORE = 200 * 2**20


def check_ray() -> None:
    """Raise InputError where Ray is not installed."""
    if find_spec("ray") is None:
        told = "Ray is not installed; expected it: pip install 'evenhand[ray]'"
        raise InputError.single(told, path="--engine ray")


class RayWorker:
    """One actor with a model of its own.

    Args:
        ray: the module, connected.
        hire: makes the crew of a worker.
        threads: that it needs for itself.
    """

    def __init__(self, ray: Any, hire: Callable[[], Crew], threads: int) -> None:
        self._ray = ray
        actor = ray.remote(num_cpus=threads, max_restarts=0)(ray_actor.Actor)
        self._actor = actor.remote(sys.path, pickle.dumps(hire))

    def submit(self, batch: Batch) -> Future[BatchResult]:
        """Hand over a batch."""
        told: Future[BatchResult] = Future()

        def tell(found: Future[BatchResult]) -> None:
            error = found.exception()
            if error is None:
                told.set_result(found.result())
            else:  # what was raised there, without Ray's words about it
                told.set_exception(getattr(error, "cause", error))

        self._actor.measure.remote(pickle.dumps(batch)).future().add_done_callback(tell)
        return told

    def dismiss(self) -> None:
        """End the actor."""
        self._ray.kill(self._actor)


@contextmanager
def ray_workers(hire: Callable[[], Crew], count: int, threads: int) -> Iterator[Crew]:
    """Workers over Ray, which is started when the first of them is hired.

    The cluster that ``RAY_ADDRESS`` names is used, or else this machine alone, without dashboard.

    Args:
        hire: makes the crew of a worker; pickled, and called once in each actor.
        count: how many actors.
        threads: of each.
    """
    import ray

    @cache
    def connected() -> Any:
        _connect(ray, count * threads)
        return ray

    def worker() -> RayWorker:
        return RayWorker(connected(), hire, threads)

    with redirect_stdout(sys.stderr):  # Ray tells of dead actors on standard output, which belongs to results
        try:
            with Workers(worker, count, (ray.exceptions.RayActorError,)) as workers:
                yield workers
        finally:
            ray.shutdown()


def _connect(ray: Any, cpus: int) -> None:
    """Join the cluster, or start Ray here."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.cloudpickle.register_pickle_by_value(ray_actor)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    with _sigterm_as_before():
        if address := os.environ.get("RAY_ADDRESS"):
            ray.init(address, **quiet)
        else:
            ray.init("local", num_cpus=cpus, include_dashboard=False, object_store_memory=_STORE, **quiet)


@contextmanager
def _sigterm_as_before() -> Iterator[None]:
    """Ray would end this process with 1 on SIGTERM, which means FAIL."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)
