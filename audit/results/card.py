"""An audit as one small table for notebooks: no script, no colours of its own but the verdicts'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html import escape
from typing import Final

from .audit import Audit
from .base import Verdict
from .decision import CheckResult
from .findings import Label
from .visible import visible

#: White on these is readable; everything else takes the notebook's own colours, light or dark.
_COLOURS: Final[dict[Verdict, str]] = {
    Verdict.PASS: "#176b3a",
    Verdict.WAIVED: "#7a5200",
    Verdict.INCONCLUSIVE: "#7a5200",
    Verdict.FAIL: "#a61b1b",
    Verdict.ERROR: "#a61b1b",
}
_HEADS: Final[dict[Label, str]] = {
    "carries": "carry bias",
    "opposes": "oppose it",
    "moves": "move only",
    "acts": "act only",
    "none": "do neither",
    "unmeasured": "unmeasured",
}
_CELL: Final = 'style="text-align:left;padding:.2em 1em .2em 0;border:0;background:none;color:inherit"'


def card(audit: Audit) -> str:
    """Write verdict, checks, and how many heads do what.

    Args:
        audit: the audit.
    Returns:
        HTML; what models and suites wrote is escaped.
    """
    suites = ", ".join(suite.name for suite in audit.suites)
    return (
        '<div style="font-family:sans-serif;line-height:1.5;max-width:60em;color:inherit">'
        f"<p>{_chip(audit.verdict)} {_text(suites)} on <b>{_text(audit.model.name)}</b></p>"
        f"<p>{_text(audit.gate.why)}</p>"
        f"{_checks(audit.gate.checks)}"
        f'<p style="opacity:.8">{"<br>".join(_facts(audit))}</p></div>'
    )


def _text(text: object) -> str:
    return f"<bdi>{escape(visible(str(text)))}</bdi>"


def _chip(verdict: Verdict) -> str:
    style = f"background:{_COLOURS[verdict]};color:#fff;font-weight:700;padding:.15em .6em;border-radius:.4em"
    return f'<span style="{style}">{verdict}</span>'


def _checks(checks: tuple[CheckResult, ...]) -> str:
    if not checks:
        return ""
    titles = ("check", "suite", "contrast", "found", "95 % interval", "at most", "verdict")
    head = "".join(f'<th scope="col" {_CELL}>{title}</th>' for title in titles)
    rows = "".join(
        f"<tr>{''.join(f'<td {_CELL}>{cell}</td>' for cell in _cells(one))}</tr>" for one in checks
    )
    table = '<table style="border-collapse:collapse;color:inherit">'
    return f"{table}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cells(one: CheckResult) -> Iterator[str]:
    found = one.estimate
    digits = 0 if one.measure == "flagged_heads" else 3
    yield _text(f"{one.id}, change" if one.kind == "change" else one.id)
    yield _text(one.suite)
    yield _text("/".join(one.contrast or ("any",)))
    yield "–" if found.estimate is None else f"{found.estimate:.{digits}f}"
    known = found.ci_low is not None and found.ci_high is not None
    yield f"{found.ci_low:.3f} to {found.ci_high:.3f}" if known else ""
    yield f"{one.at_most:g}"
    yield _chip(one.verdict)


def _facts(audit: Audit) -> Iterator[str]:
    found = Counter(head.label for head in audit.heads)
    if found:
        told = ", ".join(f"{found[label]:,} {words}" for label, words in _HEADS.items() if found[label])
        yield f"{len(audit.heads):,} heads × contrasts: {told}"
    covered = audit.coverage
    lost = (
        f", {covered.skipped:,} skipped, {covered.failed:,} failed"
        if covered.skipped or covered.failed
        else ""
    )
    yield f"{covered.measured:,} of {covered.planned:,} pairs measured{lost}"
