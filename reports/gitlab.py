"""GitLab code quality: a list of issues that merge requests show beside the changed lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from audit.durable import write_whole
from audit.results import Audit, Verdict
from reports.issues import Issue, issues_of

_OF_VERDICTS: Final = {
    Verdict.ERROR: "blocker",
    Verdict.FAIL: "critical",
    Verdict.INCONCLUSIVE: "major",
    Verdict.WAIVED: "info",
}
_OF_LEVELS: Final = {"error": "major", "warning": "minor", "note": "info"}


class GitlabReport:
    """Writes ``gl-code-quality-report.json``."""

    name = "gitlab"

    def render(self, folder: Path, audit: Audit) -> list[Path]:
        """Write the issues into a run folder; files are told from the current folder.

        Args:
            folder: a finished run folder.
            audit: its result.
        Returns:
            The one file written.
        Raises:
            StoreError: a table of the run cannot be read.
        """
        path = folder / "gl-code-quality-report.json"
        found = [code_quality(issue) for issue in issues_of(folder, audit, Path.cwd())]
        write_whole(path, (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode())
        return [path]


def code_quality(issue: Issue) -> dict[str, Any]:
    """One issue as GitLab reads it.

    >>> from reports.places import Place
    >>> issue = Issue("flagged-head", "error", None, "Head", "Head 3-1.", Place("a.yaml", 7), "", ("a",), "", {})
    >>> code_quality(issue)["severity"], code_quality(issue)["location"]
    ('major', {'path': 'a.yaml', 'lines': {'begin': 7}})
    """
    return {
        "description": issue.message,
        "check_name": f"evenhand/{issue.rule}",
        "fingerprint": issue.fingerprint,
        "severity": _OF_LEVELS[issue.level] if issue.verdict is None else _OF_VERDICTS[issue.verdict],
        "location": {"path": issue.place.file, "lines": {"begin": issue.place.line}},
    }
