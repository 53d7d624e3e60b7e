"""The text of the model card: who and what was tested, results by axis and contrast, limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from audit.durable import digest_of
from audit.results import Audit, SuiteInfo
from audit.store import MANIFEST
from reports import model_line
from reports.check_words import accepted, limit, sentence, title, worst_first
from reports.markdown_text import escape, row, table_head
from reports.numbers import level
from reports.slices import Slice, flagged_heads, slices
from reports.wording import LEADS, NO_CHECKS, interval, quantity, unit_name

_RESULTS = ("Measure", "Over", "Estimate", "95 % interval", "Sample")


def card_text(folder: Path, audit: Audit) -> str:
    """Write the card below its metadata.

    Args:
        folder: the run folder.
        audit: its result.
    Returns:
        Markdown; every text of a model or suite is escaped.
    """
    parts = [
        f"# Bias evaluation of {escape(audit.model.name)}\n",
        _verdict(audit),
        _tested(audit),
        _checks(audit),
        *_results(audit),
        _not_measured(audit),
        _limits(audit),
        _reproduce(folder, audit),
    ]
    return "\n".join(part for part in parts if part)


def _verdict(audit: Audit) -> str:
    lead = LEADS[audit.verdict] if audit.gate.checks else NO_CHECKS
    covered = audit.coverage
    told = f"{covered.measured:,} of {covered.planned:,} pairs measured, {covered.skipped:,} skipped, "
    told += f"{covered.failed:,} failed."
    return f"**{audit.verdict}.** {lead} {escape(sentence(audit.gate.why), 600)}\n\n{told}\n"


def _tested(audit: Audit) -> str:
    model = audit.model
    shape = f"{model.layers} layers × {model.heads} heads, {model.parameters:,} parameters"
    lines = [
        "## What was tested\n",
        f"{escape(model.architecture)}, {shape}, {escape(model_line.precision(model))}.\n",
        *(_suite(suite) for suite in audit.suites),
    ]
    return "\n".join(lines) + "\n"


def _suite(suite: SuiteInfo) -> str:
    hazard = "".join(
        f"\n  - {escape(name.replace('_', ' '))}: {escape(value, 600)}"
        for name, value in suite.hazard.items()
    )
    sources = "".join(f"\n  - source: {escape(source, 600)}" for source in suite.sources)
    return (
        f"- **{escape(suite.name)}**, version {suite.version}, axis {escape(suite.axis)}, task {suite.task}: "
        f"{suite.treatment:,} pairs under test and {suite.control:,} controls, {suite.clusters:,} templates, "
        f"{suite.items:,} items{f', {escape(suite.license)}' if suite.license else ''}{sources}{hazard}"
    )


def _checks(audit: Audit) -> str:
    if not audit.gate.checks:
        return ""
    head = table_head(("Verdict", "Check", "Found", "95 % interval", "At most", "Set by"))
    rows = []
    for check in worst_first(audit):
        found = check.estimate
        late = ", **after the fact**" if check.set_after_the_fact else ""
        waiver = f"<br>{escape(accepted(check, audit), 600)}" if check.waiver else ""
        suite = f"{escape(check.suite)}: " if check.suite else ""
        rows.append(
            row(
                (
                    f"**{check.verdict}**",
                    f"{suite}{escape(title(check))}{waiver}",
                    quantity(check.measure, found.estimate),
                    interval(check.measure, found),
                    limit(check),
                    f"{escape(check.set_by, 80)}, {escape(check.set_on, 40)}{late}",
                )
            )
        )
    return f"## Limits for release\n\n{head}{''.join(rows)}"


def _results(audit: Audit) -> Iterator[str]:
    """One table for each suite, axis and contrast; the controls stand below what is under test."""
    groups: dict[tuple[str, str], list[Slice]] = {}
    for each in slices(audit.findings):
        groups.setdefault((each.finding.suite, each.finding.axis), []).append(each)
    heads = flagged_heads(audit)
    if groups or heads:
        yield "## Results by axis and contrast\n"
    for found in heads:
        arms = escape(" against ".join(found.contrast))
        yield f"{escape(found.suite)}, {arms}: {found.told}.\n"
    for (suite, axis), rows in groups.items():
        head = table_head(_RESULTS, _RESULTS[2:4])
        yield f"### {escape(suite)}, axis {escape(axis)}\n\n{head}{''.join(map(_row, rows))}"


def _row(each: Slice) -> str:
    found, name = each
    unit = unit_name(found.measure, found.estimate)
    value = quantity(found.measure, found.estimate) + (f" {unit}" if unit else "")
    why = f"<br>undefined: {escape(found.reason)}" if found.estimate is None and found.reason else ""
    at = level(found)
    return row(
        (
            escape(name.name),
            escape(each.over),
            f"{value}{why}",
            interval(found.measure, found) + (f" at {at}" if at else ""),
            each.sample,
        )
    )


def _not_measured(audit: Audit) -> str:
    covered = audit.coverage
    reasons = [*covered.failed_reasons, *covered.skipped_reasons, *covered.undefined]
    told = "".join(f"- {each.count:,} pairs: {escape(each.reason)}\n" for each in reasons if each.count)
    return f"## What was not measured\n\n{told}" if told else ""


def _limits(audit: Audit) -> str:
    if not audit.limits:
        return ""
    return "## What this cannot tell\n\n" + "".join(f"- {escape(each.text, 2000)}\n" for each in audit.limits)


def _reproduce(folder: Path, audit: Audit) -> str:
    manifest = folder / MANIFEST
    lines = [f"- `{MANIFEST}`: SHA-256 {digest_of(manifest)}\n"] if manifest.is_file() else []
    lines += [f"- {escape(name)}: SHA-256 {escape(sha256)}\n" for name, sha256 in audit.model.hashes.items()]
    return "## Trace\n\n" + "".join(lines) if lines else ""
