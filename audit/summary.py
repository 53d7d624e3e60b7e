"""The outcome on a terminal: what a release manager reads in ten seconds."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.held_out import told
from audit.limits import BASELINE, DECIDED_AGAIN, SHARD
from audit.results import Audit, CheckResult, HeadFinding, ModelInfo, Verdict
from audit.store import RunFolder

_STYLES = {
    Verdict.PASS: "bold white on dark_green",
    Verdict.WAIVED: "bold black on gold1",
    Verdict.INCONCLUSIVE: "bold black on gold1",
    Verdict.FAIL: "bold white on red3",
    Verdict.ERROR: "bold white on red3",
}


def print_summary(done: RunFolder) -> None:
    """Verdict, checks, flagged heads, and where the report lies."""
    audit, console = done.audit, Console(highlight=False)
    suites = ", ".join(suite.name for suite in audit.suites)
    head = Text.assemble((f" {audit.verdict} ", _STYLES[audit.verdict]), f"  {suites} on {audit.model.name}")
    console.print()
    console.print(head)
    console.print(audit.gate.why)
    console.print()
    for limit in audit.limits:
        if limit.id in (DECIDED_AGAIN, SHARD, BASELINE):
            console.print(limit.text, style="yellow")
            console.print()
    if audit.gate.checks:
        console.print(_checks(audit.gate.checks))
        _print_other_reasons(console, audit)
    _print_heads(console, audit)
    _print_held_out(console, audit)
    _print_embeddings(console, audit)
    console.print(_coverage(audit), style="dim")
    report = done.path / "report.html"
    console.print(f"report  {report if report.exists() else done.path / 'audit.json'}", soft_wrap=True)


def _print_other_reasons(console: Console, audit: Audit) -> None:
    """Why the checks that did not pass did not, beside the one that was told first."""
    others = [
        c.why for c in audit.gate.checks if c.verdict is not Verdict.PASS and c.why not in audit.gate.why
    ]
    if others:
        console.print()
    for why in others:
        console.print(f"· {why}")


def _checks(checks: tuple[CheckResult, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    suites = len({check.suite for check in checks}) > 1
    for title in (
        *(("suite",) if suites else ()),
        "check",
        "contrast",
        "found",
        "95 % interval",
        "at most",
        "",
    ):
        table.add_column(title, justify="right" if title in ("found", "at most") else "left")
    for check in checks:
        found = check.estimate
        interval = "" if found.ci_low is None else f"[{found.ci_low:+.3f}, {found.ci_high:+.3f}]"
        count, changed = check.measure == "flagged_heads", check.kind == "change"
        value = (
            "–" if found.estimate is None else f"{found.estimate:.0f}" if count else f"{found.estimate:+.3f}"
        )
        mark = Text(check.verdict, style=_STYLES[check.verdict].split(" on ")[1])
        if check.set_after_the_fact:
            mark.append(" (set after the run)")
        if check.waiver:
            mark.append(f" ({check.waiver})")
        contrast = "/".join(check.contrast or ("any",))
        table.add_row(
            *((check.suite,) if suites else ()),
            f"{check.id}, change" if changed else check.id,
            contrast,
            value,
            interval,
            f"{check.at_most:g}",
            mark,
        )
    return table


def _print_heads(console: Console, audit: Audit) -> None:
    flagged = sorted((head for head in audit.heads if head.flagged), key=_strength, reverse=True)
    if not flagged:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title_justify="left")
    for title in ("head", "row", "signed bias", "interval", "causal effect", "p adjusted"):
        table.add_column(title)
    for head in flagged[:8]:
        pronoun = head.label_pronoun == "carries"
        bias, nie, p = (
            (head.bias, head.nie, head.p_adjusted)
            if pronoun
            else (head.bias_next, head.nie_next, head.p_adjusted_next)
        )
        table.add_row(
            f"{head.layer}-{head.head}",
            "pronoun" if pronoun else "predicting",
            f"{bias.estimate:+.3f}",
            f"[{bias.ci_low:+.3f}, {bias.ci_high:+.3f}]",
            f"{nie.estimate:+.4f} nats",
            f"{p:.2g}",
        )
    console.print()
    console.print(table)
    if len(flagged) > 8:
        console.print(f"… and {len(flagged) - 8} more heads in the report", style="dim")
    habits = [
        f"{head.layer}-{head.head} {head.pattern.replace('_', ' ')} ({head.pattern_score:.2f})"
        for head in flagged[:8]
        if head.pattern is not None
    ]
    if habits:
        console.print(f"on neutral text: {', '.join(habits)}", style="dim")
    console.print()


def _print_held_out(console: Console, audit: Audit) -> None:
    for result in audit.held_out:
        console.print(f"held out: {told(result)}")
    if audit.held_out:
        console.print()


def _print_embeddings(console: Console, audit: Audit) -> None:
    found = [finding for finding in audit.findings if finding.subject is not None]
    if not found:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("embeddings", "layer", "between", "found", "95 % interval", "p adjusted"):
        table.add_column(title, justify="right" if title == "found" else "left", overflow="fold")
    for finding in found:
        symbol = "d" if finding.attributes else "rho"
        table.add_row(
            finding.subject,
            finding.layer,
            "/".join(finding.contrast or ()),
            "–" if finding.estimate is None else f"{symbol} {finding.estimate:+.2f}",
            "" if finding.ci_low is None else f"[{finding.ci_low:+.2f}, {finding.ci_high:+.2f}]",
            "–" if finding.p_adjusted is None else f"{finding.p_adjusted:.2g}",
        )
    console.print()
    console.print(table)
    console.print()


def _strength(head: HeadFinding) -> float:
    return max(abs(head.nie.estimate or 0.0), abs(head.nie_next.estimate or 0.0))


def _coverage(audit: Audit) -> str:
    covered = audit.coverage
    tests = [
        f"{survey.measured} of {survey.planned} tests of embeddings made"
        for survey in covered.surveys
        if survey.asked
    ]
    if tests and not covered.planned:
        return tests[0]
    told = f"{covered.measured} of {covered.planned} pairs measured"
    if covered.skipped or covered.failed:
        told += f", {covered.skipped} skipped, {covered.failed} failed"
    corrected = sum(p is not None for head in audit.heads for p in (head.p_flag, head.p_flag_next))
    heads = f"{len(audit.heads)} head × contrast estimates, {corrected} tests corrected together"
    return "; ".join([told, *tests, heads])


def summary_json(done: RunFolder) -> str:
    """The summary as one line of JSON, for machines."""
    audit = done.audit
    return json.dumps(
        {
            "verdict": audit.verdict,
            "why": audit.gate.why,
            "checks": [
                {
                    "id": c.id,
                    "kind": c.kind,
                    "suite": c.suite,
                    "contrast": c.contrast,
                    "verdict": c.verdict,
                    "why": c.why,
                    "set_after_the_fact": c.set_after_the_fact,
                }
                for c in audit.gate.checks
            ],
            "flagged_heads": [f"{head.layer}-{head.head}" for head in audit.heads if head.flagged],
            "planned": audit.coverage.planned,
            "measured": audit.coverage.measured,
            "folder": str(done.path),
            "report": str(done.path / Path("report.html")),
        },
        ensure_ascii=False,
    )


def print_self_test(info: ModelInfo) -> None:
    """What was proved about capture on this model."""
    console = Console(highlight=False)
    console.print(
        f"{info.name}: {info.architecture}, {info.layers} layers × {info.heads} heads, "
        f"{info.parameters / 1e6:.0f} M parameters, {info.dtype} on {info.device}, route {info.attention_route}"
    )
    for step in info.self_test:
        mark = Text("ok  " if step.passed else "FAIL", style="green" if step.passed else "bold red")
        bound = (
            ""
            if step.value is None
            else f"  {step.value:.2g}" + ("" if step.bound is None else f" ≤ {step.bound:g}")
        )
        console.print(mark, f"{step.name}{bound}{'  ' + step.note if step.note else ''}")
