"""The command in a process of its own, which notes every batch that it measures where no kill can take it back."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

#: Loaded once, in the process that all others are forked from.
_HEAVY = ["torch", "transformers", "pandas", "scipy.stats", "audit.api", "audit.conclude", "probes.backend"]


def start_noted(arguments: Sequence[str], log: Path, said: Path) -> ForkServerProcess:
    """Start the command.

    Args:
        arguments: of the command.
        log: gets a line per batch when its measuring begins: the stage and its pairs.
        said: gets what the command writes to standard error.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_HEAVY)
    child = context.Process(target=_command, args=(list(arguments), str(log), str(said)), daemon=True)
    child.start()
    return child


def _command(arguments: list[str], log: str, said: str) -> None:
    import torch

    from audit import batches
    from audit.cli import main

    measure_batch = batches.measure_batch

    def noted(model: Any, batch: batches.Batch, *rest: Any) -> batches.BatchResult:
        line = " ".join([str(batch.stage), *(pair.pair_id for pair in batch.pairs)])
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(descriptor, f"{line}\n".encode())
        os.close(descriptor)
        return measure_batch(model, batch, *rest)

    batches.measure_batch = noted
    torch.set_num_threads(1)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the process ends with it
    sys.stderr = open(said, "w", buffering=1)  # noqa: SIM115
    sys.exit(main(arguments))
