"""evenhand audits language models for bias: the command, the pytest plugin and the Python face.

This is the only module that an installation puts at the top of site-packages. The packages `audit`,
`probes` and `reports` have generic names, so they lie beside it in a private folder (in a checkout:
beside it as they are) and enter `sys.path` only in a process of evenhand's own. That is why `run` and
`lint` work in a child process: a project with its own `audit` package is never touched.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from subprocess import CompletedProcess

    import plotly.graph_objects as go
    import pytest

    from audit.results import Audit, CheckResult, Finding, HeadFinding, LoadedAudit, Verdict

__version__ = "0.1.0"
__all__ = [
    "Audit",
    "AuditError",
    "Finding",
    "HeadFinding",
    "Verdict",
    "assert_no_biased_heads",
    "lint",
    "load",
    "run",
]

_HERE = Path(__file__).resolve().parent
_PRIVATE = _HERE / "_evenhand"
_HOME = _PRIVATE if _PRIVATE.is_dir() else _HERE
_RESULTS = ("Audit", "Finding", "HeadFinding", "Verdict")
_COMPLETED = (0, 1, 3)  # exit codes of an audit that came to PASS, FAIL or INCONCLUSIVE


class AuditError(RuntimeError):
    """The command ended without a finished audit.

    Args:
        message: what the command said.
        exit_code: 2 for bad input, 4 for an error or an incomplete run.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def main() -> int:
    """Run the command line on `sys.argv`.

    Returns:
        The exit code: 0 PASS, 1 FAIL, 2 bad input, 3 INCONCLUSIVE, 4 ERROR or incomplete.
    """
    sys.path.insert(0, str(_HOME))
    from audit import cli

    return cli.main()


def run(
    *suites: str | Path,
    model: str | Path,
    config: str | Path | None = None,
    out: str | Path | None = None,
    options: tuple[str, ...] = (),
) -> LoadedAudit:
    """Audit a model and return the result.

    Args:
        suites: suite files; at least one.
        model: a folder, a `.gguf` file, a hub id, or `demo`.
        config: a preset's name or a file; the default preset if None.
        out: the run folder; `runs/<first suite>` if None.
        options: further options of `evenhand run`, such as `("--limit", "20")`.
    Returns:
        The audit, as `load` reads it from the run folder.
    Raises:
        AuditError: bad input, or an audit that could not be completed.
    """
    if not suites:
        raise AuditError("no suite was named; expected at least one suite file", 2)
    folder = Path(out) if out is not None else Path("runs") / Path(suites[0]).stem
    named = [] if config is None else ["--config", str(config)]
    arguments = [*map(str, suites), "--model", str(model), *named, "--out", str(folder), *options]
    ended = _command("run", *arguments)
    if ended.returncode not in _COMPLETED:
        raise AuditError(ended.stderr.strip() or ended.stdout.strip(), ended.returncode)
    return load(folder)


def load(folder: str | Path) -> LoadedAudit:
    """Read a finished run; a notebook shows it as a table of its checks.

    Args:
        folder: the run folder, with `audit.json` in it.
    Returns:
        The audit, with `pairs`, `outputs` and `head_values` (the folder's tables as data frames) and
        `figure(name)`, such as `figure("head-map")`.
    Raises:
        AuditError: there is no `audit.json`, or it is not one.
    """
    file = Path(folder) / "audit.json"
    try:
        audit: LoadedAudit = _results().LoadedAudit.of(file.read_bytes(), Path(folder), _figure)
    except OSError as error:
        raise AuditError(f"{file}: cannot be read ({error.strerror}); expected a finished run", 2) from error
    except ValueError as error:
        first = str(error).splitlines()[0]
        raise AuditError(f"{file}: not an audit ({first}); expected one written by evenhand", 2) from error
    return audit


def _figure(folder: Path, name: str) -> go.Figure:
    """Have the command draw a figure, so that nothing of it enters the caller's process."""
    import plotly.io

    ended = _command("figure", str(folder), name)
    if ended.returncode:
        raise AuditError(ended.stderr.strip(), ended.returncode)
    return plotly.io.from_json(ended.stdout)


def lint(*suites: str | Path) -> tuple[str, ...]:
    """Return every fault of the suites, each as `file:line: path: what is wrong`; none if they are sound.

    Args:
        suites: suite files.
    """
    ended = _command("lint", *map(str, suites))
    said = (ended.stderr + ended.stdout).splitlines() if ended.returncode else []
    return tuple(line for line in said if line.strip())


def assert_no_biased_heads(audit: Audit | str | Path) -> None:
    """Fail if an attention head carries bias, or if that cannot be known.

    Args:
        audit: an audit, or the folder of a finished run.
    Raises:
        AssertionError: heads are flagged, some pairs failed, or no head was measured.
        AuditError: the folder holds no finished run.
    """
    __tracebackhide__ = True
    found = load(audit) if isinstance(audit, str | Path) else audit
    if found.coverage.failed:
        raise AssertionError(
            f"{found.coverage.failed} of {found.coverage.planned} pairs could not be measured"
        )
    if all(head.label == "unmeasured" for head in found.heads):
        raise AssertionError("no attention head was measured")
    flagged = [head for head in found.heads if head.flagged]
    if flagged:
        lines = [_describe(head) for head in flagged]
        raise AssertionError("\n".join([f"{len(flagged)} attention heads carry bias:", *lines]))
    undecided = [check.why for check in found.gate.checks if _is_open(check)]
    if undecided:
        raise AssertionError("\n".join(undecided))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register evenhand's options with pytest."""
    group = parser.getgroup("evenhand", "bias audits of language models")
    group.addoption(
        "--evenhand-model",
        metavar="MODEL",
        default=None,
        help="the model to audit: a folder, a .gguf file, a hub id, or 'demo'",
    )


def __getattr__(name: str) -> Any:
    if name in _RESULTS:
        return getattr(_results(), name)
    raise AttributeError(f"module 'evenhand' has no attribute {name!r}")


def _results() -> ModuleType:
    """Load the result types by their file, so that no generic name enters the caller's process."""
    import importlib.util

    file = _HOME / "audit" / "results" / "__init__.py"
    own = sys.modules.get("audit.results")
    if own is not None and own.__file__ and Path(own.__file__).resolve() == file:
        return own
    name = "_evenhand_results"
    if name not in sys.modules:
        folder = [str(file.parent)]
        spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folder)
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} cannot be loaded; reinstall evenhand", name=name)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def _command(*arguments: str) -> CompletedProcess[str]:
    """Run the command in a process that sees nothing of the caller's import path."""
    import subprocess

    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-P", str(Path(__file__).resolve()), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _is_open(check: CheckResult) -> bool:
    return check.measure == "flagged_heads" and check.verdict in ("INCONCLUSIVE", "ERROR")


def _describe(head: HeadFinding) -> str:
    a, b = head.contrast
    where = f"{head.suite} {a}/{b}: {head.stream} layer {head.layer} head {head.head}"
    return f"  {where}: {'; '.join(head.reasons)}"


if __name__ == "__main__":
    sys.exit(main())
