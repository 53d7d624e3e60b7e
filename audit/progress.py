"""Progress on a terminal, with rate and time left; silent everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Batch = TypeVar("Batch", bound=Sequence[object])


class _Rate(ProgressColumn):
    """Pairs per second."""

    def render(self, task: Task) -> Text:
        return Text("" if not task.speed else f"{task.speed:.1f} pairs/s", style="dim")


class Watcher:
    """Tells a person at a terminal what is going on; writes to standard error only."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True)
        self._quiet = quiet
        self._shown = not quiet and sys.stderr.isatty()

    def note(self, what: str) -> None:
        """Tell in one line what is good to know, unless nothing but errors is to be told."""
        if not self._quiet:
            self.warn(what)

    def warn(self, what: str) -> None:
        """Tell in one line what somebody must know."""
        sys.stderr.write(f"evenhand: {what}\n")

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show a spinner while something without a length goes on."""
        if not self._shown:
            yield
            return
        with self._console.status(what):
            yield

    def track(self, what: str, batches: Sequence[Batch]) -> Iterable[Batch]:
        """Pass batches on, counting the pairs in them."""
        if not self._shown:
            yield from batches
            return
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as bar:
            task = bar.add_task(what, total=sum(map(len, batches)))
            for batch in batches:
                yield batch
                bar.advance(task, len(batch))
