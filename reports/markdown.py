"""A summary in Markdown for steps and comments on GitHub: worst first, within a number of bytes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from audit.durable import write_whole
from audit.importance import by_importance
from audit.results import Audit, CheckResult, HeadFinding, Reason
from reports.byte_budget import Section, fit
from reports.check_words import accepted, limit, sentence, worst_first
from reports.coverage_rows import undefined_rows
from reports.folder import FinishedRun, read_folder
from reports.github import announce
from reports.head_groups import head_row
from reports.issues import issues_of
from reports.markdown_text import escape, row, table_head
from reports.model_line import precision
from reports.numbers import NOTHING, count, defined, has_interval, level, number, p_value
from reports.strongest_pairs import StrongPair, strongest_pairs
from reports.wording import ADVICE, LEADS, NO_CHECKS, interval, measure_of, quantity, unit_name

#: Bytes that GitHub takes for the summary of a step, and for a comment.
STEP, COMMENT = 1_048_576, 64_000
_ORDER: Final = ("verdict", "checks", "limits", "flagged heads", "reasons", "pairs")


class MarkdownReport:
    """Writes ``report.md``; in a GitHub workflow also the step's summary and annotations."""

    name = "markdown"

    def render(self, folder: Path, audit: Audit) -> list[Path]:
        """Write the summary into a run folder, and tell GitHub where it runs there.

        Args:
            folder: a finished run folder.
            audit: its result.
        Returns:
            The one file written.
        Raises:
            StoreError: a table of the run, or the step's summary, cannot be read or written.
        """
        path = folder / "report.md"
        run = read_folder(folder, audit)
        write_whole(path, summary(run).encode())
        if os.environ.get("GITHUB_ACTIONS") == "true":
            issues = issues_of(folder, audit, Path.cwd())
            announce(issues, lambda budget: summary(run, budget), os.environ, sys.stdout)
        return [path]


def summary(run: FinishedRun, budget: int = STEP) -> str:
    """Render a finished run in GitHub's Markdown.

    Args:
        run: the run folder.
        budget: bytes; ``COMMENT`` for a comment.
    Returns:
        At most so many bytes in UTF-8; what was left out is told at the end.
    """
    audit = run.audit
    sections = (
        Section("verdict", _verdict(run)),
        _checks(audit),
        _heads(audit),
        _pairs(strongest_pairs(run)),
        _not_measured(run),
        _limits(audit),
    )
    present = [section for section in sections if section.head]
    return fit(present, _ORDER, budget, "`report.html`")


def _verdict(run: FinishedRun) -> str:
    audit = run.audit
    suites = escape(", ".join(suite.name for suite in audit.suites) or "no suite", 200)
    lead = LEADS[audit.verdict] if audit.gate.checks else NO_CHECKS
    lines = [
        f"## {audit.verdict}: {suites} on {escape(audit.model.name, 80)}\n",
        f"**{lead}** {escape(sentence(audit.gate.why), 400)}\n",
    ]
    if audit.gate.checks:
        lines.append(f"{ADVICE[audit.verdict]}\n")
    model, covered = audit.model, audit.coverage
    shape = f"{escape(model.architecture, 80)}, {model.layers} layers × {model.heads} heads"
    told = f"{covered.measured:,} of {covered.planned:,} pairs measured"
    lines.append(f"{shape}, {escape(precision(model), 200)}; {told}.\n")
    if run.missing:
        names = ", ".join(f"`{name}`" for name in run.missing)
        lines.append(
            f"**This run folder is incomplete: it lacks {names}.** What they held is unknown, not empty.\n"
        )
    return "\n".join(lines)


def _checks(audit: Audit) -> Section:
    if not audit.gate.checks:
        return Section("checks", "")
    titles = (
        "Verdict",
        "Check",
        "Suite",
        "Contrast",
        "Found",
        "95 % interval",
        "At most",
        "n",
        "Smallest visible effect",
    )
    head = "### Checks\n\n" + table_head(titles, ("Found", "At most", "n", "Smallest visible effect"))
    return Section("checks", head, tuple(_check(check, audit) for check in worst_first(audit)), 0.6)


def _check(check: CheckResult, audit: Audit) -> str:
    found, measure = check.estimate, check.measure
    unit = unit_name(measure, found.estimate)
    value = quantity(measure, found.estimate) + (f" {unit}" if unit else "")
    notes = [f"{measure_of(measure).name} ({escape(check.id, 80)})"]
    if found.reason:
        notes.append(escape(found.reason))
    if check.set_after_the_fact:
        notes.append("**limit set after the run**")
    if check.waiver:
        notes.append(escape(accepted(check, audit), 400))
    notes.append(f"limit set by {escape(check.set_by, 80)} on {escape(check.set_on, 40)}")
    return row(
        (
            f"**{check.verdict}**",
            "<br>".join(notes),
            escape(check.suite, 80) or NOTHING,
            " / ".join(escape(arm, 80) for arm in check.contrast or (NOTHING,)),
            value,
            interval(measure, found) + (f" at {at}" if (at := level(found)) else ""),
            limit(check),
            count(found.n),
            quantity(measure, found.mde),
        )
    )


def _heads(audit: Audit) -> Section:
    flagged = [head for head in by_importance(audit.heads) if head.flagged]
    if not flagged:
        return Section("flagged heads", "")
    titles = ("Head", "Suite", "Contrast", "Signed bias", "Causal effect (nats)", "Adjusted p", "Read from")
    head = "### Heads that carry the bias\n\n"
    return Section("flagged heads", head + table_head(titles, titles[3:6]), tuple(map(_head, flagged)), 0.6)


def _head(head: HeadFinding) -> str:
    shown = head_row(head)
    stream = "" if head.stream in ("self", "decoder") else f" ({escape(head.stream, 40)})"
    values = [
        number(found.estimate, signed=True)
        + (f" ({number(found.ci_low)} to {number(found.ci_high)}" if has_interval(found) else "")
        + (f" at {at}" if (at := level(found)) else "")
        + (")" if has_interval(found) else "")
        for found in (shown.bias, shown.nie)
    ]
    arms = " / ".join(escape(arm, 80) for arm in head.contrast)
    p = p_value(shown.p_adjusted)
    return row((f"{shown.name}{stream}", escape(head.suite, 80), arms, *values, escape(p), shown.read_from))


def _pairs(pairs: tuple[StrongPair, ...]) -> Section:
    if not pairs:
        return Section("pairs", "")
    titles = ("Pair", "Texts", "Total effect (nats)", "Mean \\|signed bias\\|")
    intro = "Examples, not the whole; the links lead into `report.html`.\n\n"
    head = f"### Strongest pairs\n\n{intro}{table_head(titles, titles[2:])}"
    return Section("pairs", head, tuple(map(_pair, pairs)))


def _pair(pair: StrongPair) -> str:
    where = f"<br>{escape(pair.file, 200)}:{pair.line}" if pair.file else ""
    return row(
        (
            f"[{escape(pair.pair_id, 120)}]({pair.link}){where}",
            escape(pair.prompt),
            number(pair.effect, signed=True),
            number(pair.bias) if defined(pair.bias) else NOTHING,
        )
    )


def _not_measured(run: FinishedRun) -> Section:
    coverage = run.audit.coverage
    rows = [*_reasons("Failed", coverage.failed_reasons), *_reasons("Skipped", coverage.skipped_reasons)]
    for entry in undefined_rows(coverage.undefined):
        measures = f" ({escape(', '.join(entry.measures))})" if entry.measures else ""
        rows.append(f"- Undefined in {_count(entry.pairs)}: {escape(entry.reason)}{measures}\n")
    rows += [
        f"- {escape(survey.probe)}: {survey.measured} of {survey.planned} surveys made"
        f"{f': {escape(survey.reason)}' if survey.reason else ''}\n"
        for survey in coverage.surveys
        if survey.measured < survey.planned
    ]
    return Section("reasons", "### What was not measured\n\n" if rows else "", tuple(rows))


def _reasons(kind: str, entries: Iterable[Reason]) -> list[str]:
    return [f"- {kind}, {_count(entry.count)}: {escape(entry.reason)}\n" for entry in entries if entry.count]


def _count(pairs: int) -> str:
    return f"{pairs:,} pair{'' if pairs == 1 else 's'}"


def _limits(audit: Audit) -> Section:
    rows = tuple(f"- {escape(each.text, 600)}\n" for each in audit.limits)
    return Section("limits", "### What this cannot tell\n\n" if rows else "", rows)
