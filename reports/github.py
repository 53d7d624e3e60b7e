"""What a GitHub workflow hears: annotations on standard output, and the summary of its step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

from audit.errors import StoreError
from audit.results.visible import in_line
from reports.byte_budget import LEAST
from reports.issues import Issue, Level

#: Bytes of a step's summary, all that was written before included.
STEP_SUMMARY: Final = 1_048_576
#: Annotations of one kind that GitHub shows of a step.
MOST_OF_A_KIND: Final = 10
_COMMANDS: Final[dict[Level, str]] = {"error": "error", "warning": "warning"}


def announce(
    issues: Sequence[Issue], summary: Callable[[int], str], environment: Mapping[str, str], out: TextIO
) -> None:
    """Print annotations, and append the summary to the file that GitHub names.

    Args:
        issues: worst first; notes are not annotated.
        summary: makes the summary within a number of bytes.
        environment: of the process; ``GITHUB_STEP_SUMMARY`` names the file.
        out: standard output, which GitHub reads.
    Raises:
        StoreError: the file cannot be written.
    """
    for level, command in _COMMANDS.items():
        for issue in [issue for issue in issues if issue.level == level][:MOST_OF_A_KIND]:
            out.write(f"{annotation(issue, command)}\n")
    if target := environment.get("GITHUB_STEP_SUMMARY"):
        _append(Path(target), summary)


def annotation(issue: Issue, command: str) -> str:
    """A workflow command that shows an issue beside its line.

    Args:
        issue: what to show.
        command: ``error`` or ``warning``.
    Returns:
        One line; nothing in it can begin another command.
    """
    place = issue.place
    properties = {
        "file": place.file,
        "line": str(place.line),
        "title": f"evenhand, {issue.title}",
    }
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{command} {listed}::{_data(in_line(issue.message, 2000))}"


def _append(path: Path, summary: Callable[[int], str]) -> None:
    try:
        room = STEP_SUMMARY - (path.stat().st_size if path.exists() else 0) - 1
        if room < LEAST:
            return
        with path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(f"{summary(room)}\n")
    except OSError as error:
        raise StoreError(f"{path}: the step's summary cannot be written ({error.strerror})") from error


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(in_line(text)).replace(":", "%3A").replace(",", "%2C")
