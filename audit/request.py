"""What a run is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audit.config import RunConfig
from audit.loader import LoadedSuite
from audit.results import Shard

Engine = Literal["local", "ray"]


@dataclass(frozen=True, slots=True)
class Request:
    """What to audit.

    Args:
        suites: loaded suites; at least one.
        model: a folder, a ``.gguf`` file, a hub id, or ``demo``.
        config: how to measure and what to accept.
        out: the run folder.
        limit: measure only the first pairs of all suites together; None for all.
        allow_pickle: accept weights that run code when loaded.
        formats: reports to render.
        resume: take what was measured before from the run folder's records.
        workers: processes that measure, each with the model in its own memory; they share the threads.
        engine: who runs them: this machine, or Ray.
        shard: the share of the pairs to measure; None for all.
        baseline: the folder of a finished run that checks of changes measure from.
    """

    suites: tuple[LoadedSuite, ...]
    model: str
    config: RunConfig
    out: Path
    limit: int | None = None
    allow_pickle: bool = False
    formats: tuple[str, ...] = ("html",)
    resume: bool = True
    workers: int = 1
    engine: Engine = "local"
    shard: Shard | None = None
    baseline: Path | None = None
