"""SARIF 2.1.0: issues for code scanning, beside the lines of configs and suites."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from audit.durable import write_whole
from audit.results import Audit, ExitCode, Verdict
from audit.results.visible import in_line
from reports.issues import Issue, issues_of
from reports.sarif_rules import rule

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: What code scanning takes: results shown of one run, and bytes of the file once it is packed with gzip.
MOST_RESULTS, MOST_BYTES = 5_000, 10_000_000
_PLACEHOLDER: Final = re.compile(r"\{(?=\d+\})")


class SarifReport:
    """Writes ``evenhand.sarif``."""

    name = "sarif"

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
        path = folder / "evenhand.sarif"
        write_whole(path, sarif(issues_of(folder, audit, Path.cwd()), audit))
        return [path]


def sarif(
    issues: Sequence[Issue], audit: Audit, most_results: int = MOST_RESULTS, most_bytes: int = MOST_BYTES
) -> bytes:
    """Render issues as SARIF, as many as fit, in their order.

    Args:
        issues: worst first.
        audit: the result that they are of.
        most_results: results that are told.
        most_bytes: size of the file once it is packed.
    Returns:
        UTF-8. What was left out is told in a notification of the invocation.
    """
    kept = min(len(issues), most_results)
    while True:
        log = _log(issues[:kept], len(issues) - kept, audit)
        content = (json.dumps(log, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
        if not kept or len(gzip.compress(content, mtime=0)) <= most_bytes:
            return content
        kept //= 2


def _log(issues: Sequence[Issue], left_out: int, audit: Audit) -> dict[str, Any]:
    rules = list(dict.fromkeys(issue.rule for issue in issues))
    made_by = _version(audit)
    driver: dict[str, Any] = {"name": "evenhand", "version": made_by, "rules": [rule(name) for name in rules]}
    if re.fullmatch(r"\d+\.\d+\.\d+", made_by):
        driver["semanticVersion"] = made_by
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "evenhand/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(audit, left_out)],
        "results": [_result(issue, rules.index(issue.rule)) for issue in issues],
        "properties": {
            "verdict": audit.verdict.value,
            "checks": len(audit.gate.checks),
            "passed": sum(check.verdict is Verdict.PASS for check in audit.gate.checks),
            "leftOut": left_out,
        },
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _invocation(audit: Audit, left_out: int) -> dict[str, Any]:
    times = {
        "startTimeUtc": audit.environment.get("started"),
        "endTimeUtc": audit.environment.get("finished"),
    }
    told = {
        name: in_line(time).replace("+00:00", "Z") for name, time in times.items() if isinstance(time, str)
    }
    invocation: dict[str, Any] = {
        "executionSuccessful": audit.verdict is not Verdict.ERROR,
        "exitCode": int(ExitCode.of(audit.verdict)),
        **told,
    }
    if left_out:
        text = f"{left_out} results of lesser weight were left out, for code scanning takes no more."
        notice = {"level": "warning", "message": {"text": f"{text} report.html and audit.json hold all."}}
        invocation["toolExecutionNotifications"] = [notice]
    return invocation


def _result(issue: Issue, rule_index: int) -> dict[str, Any]:
    place = issue.place
    region: dict[str, Any] = {
        **{"startLine": place.line, "startColumn": place.column},
        **{"endLine": place.line, "endColumn": place.end_column},
    }
    location = {
        "artifactLocation": {"uri": place.uri, "uriBaseId": "%SRCROOT%"},
        "region": region,
    }
    result: dict[str, Any] = {
        "ruleId": issue.rule,
        "ruleIndex": rule_index,
        "level": issue.level,
        "message": {"text": plain_message(f"{issue.message} See {issue.link}.")},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"primaryLocationLineHash": f"{issue.fingerprint[:16]}:1"},
        "properties": issue.figures,
    }
    if issue.accepted:
        accepted = {"kind": "external", "status": "accepted", "justification": issue.accepted}
        result["suppressions"] = [accepted]
    return result


def plain_message(text: str) -> str:
    """A text that SARIF does not take for a link or a placeholder.

    >>> plain_message("[a](b) {0}")
    '[a] (b) { 0}'
    """
    return _PLACEHOLDER.sub("{ ", text.replace("](", "] ("))


def _version(audit: Audit) -> str:
    """The version that measured, else that which renders."""
    measured = audit.environment.get("versions", {}).get("evenhand")
    if isinstance(measured, str):
        return in_line(measured)
    try:
        return version("evenhand")
    except PackageNotFoundError:
        return "unknown"
