"""Another tool, loaded once in an environment of its own, that answers ``run once``."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.benchmarks.timing import Run, threads

_ROOT = Path(__file__).resolve().parents[2]
_PYTHON = _ROOT / ".venv-peers" / "bin" / "python"
_SERVE = Path(__file__).parent / "peers" / "serve.py"


class Peer:
    """A child process that speaks JSON lines (see ``peers/serve.py``); used in a ``with``.

    Args:
        module: one of the modules in ``peers``.
        settings: what its ``prepare`` takes.
    Raises:
        SystemExit: the peers' environment is not there.
    """

    def __init__(self, module: str, **settings: Any) -> None:
        if not _PYTHON.exists():
            raise SystemExit(f"{_PYTHON} is not there; `make bench` makes it")
        self._child = subprocess.Popen(
            [str(_PYTHON), str(_SERVE), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": str(threads()),
                "HF_HUB_OFFLINE": "1",
                "HF_DATASETS_OFFLINE": "1",
                "TOKENIZERS_PARALLELISM": "false",
            },
        )
        self.versions: dict[str, str] = self._ask({"threads": threads(), **settings}).numbers

    def run(self, **arguments: Any) -> Run:
        """Run once; the seconds are the child's own."""
        return self._ask(arguments)

    def _ask(self, what: dict[str, Any]) -> Run:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps(what) + "\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            raise SystemExit(f"the peer ended with {self._child.wait()}; its own words are above")
        return Run(**json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait()
