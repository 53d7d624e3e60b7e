"""What runs inside a Ray actor. Ray takes this module there by value: nothing of evenhand is known there before."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from typing import Any


class Actor:
    """Measures batches with a crew of its own.

    Args:
        paths: where modules are found in the process that hires, which come first here, too.
        hire: pickled; makes the crew.
    """

    def __init__(self, paths: Sequence[str], hire: bytes) -> None:
        sys.path[:] = dict.fromkeys([*paths, *sys.path])
        self._hire = hire
        self._crew: Any = None

    def measure(self, batch: bytes) -> Any:
        """Measure a pickled batch."""
        if self._crew is None:  # here, and not at the start, so that its errors are told
            self._crew = pickle.loads(self._hire)()
        ((_, result),) = self._crew.measure([pickle.loads(batch)])
        return result
