"""The evidence pack: what a reviewer of a release asks for, each part with its gaps. Evidence, never a certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from audit.durable import digest_of, write_whole
from audit.importance import by_importance
from audit.results import Audit, CheckResult, Estimate
from audit.results.visible import in_line
from audit.store import MANIFEST
from reports import model_line, numbers, wording
from reports.check_words import accepted, limit, sentence, title, worst_first
from reports.coverage_rows import undefined_rows
from reports.head_groups import HeadRow, head_row
from reports.html import flatten, model_text, page_environment
from reports.page_code import digest
from reports.pdf import has_weasyprint, write_pdf
from reports.requirements import Framework, Row, crossed, gaps_of, read_mapping, rows_of
from reports.slices import Flagged, Slice, flagged_heads, slices

#: Settings of the config that say how heads are flagged, with their names for people.
_RULES: Final = {
    "q": "False discovery rate",
    "correction": "Correction",
    "min_bias": "Smallest signed bias that is called one",
    "min_nie": "Smallest causal effect that is called one (nats)",
    "largest_hidden_bias": "Largest signed bias that a passing check may hide",
    "power": "Power of the smallest visible effects",
    "seed": "Seed",
}


class AxisResults(NamedTuple):
    """All estimates of one suite and axis."""

    suite: str
    axis: str
    rows: tuple[Slice, ...]


class Pack(NamedTuple):
    """Everything that the template draws."""

    audit: Audit
    manifest: str | None
    checks: tuple[CheckResult, ...]
    rules: tuple[tuple[str, str], ...]
    results: tuple[AxisResults, ...]
    intersections: tuple[AxisResults, ...]
    flagged: tuple[Flagged, ...]
    heads: tuple[HeadRow, ...]
    frameworks: tuple[tuple[Framework, tuple[Row, ...]], ...]
    gaps: dict[str, str]
    reviewed_on: str


class ComplianceReport:
    """Writes ``compliance.html`` and, where WeasyPrint is there, ``compliance.pdf``."""

    name = "compliance"

    def render(self, folder: Path, audit: Audit) -> list[Path]:
        """Write the evidence pack into a run folder.

        Args:
            folder: a finished run folder.
            audit: its result.
        Returns:
            The files written: the page, and the same on paper.
        """
        file = folder / "compliance.html"
        page = render_pack(pack_of(folder, audit))
        write_whole(file, page.encode())
        return [file, *([write_pdf(folder / "compliance.pdf", page)] if has_weasyprint() else [])]


def pack_of(folder: Path, audit: Audit) -> Pack:
    """Gather what the pack tells.

    Args:
        folder: the run folder.
        audit: its result.
    """
    manifest = folder / MANIFEST
    digest = digest_of(manifest) if manifest.is_file() else None
    mapping, gaps = read_mapping(), gaps_of(audit, traced=digest is not None)
    results, both = _by_axis(audit), crossed(audit)
    return Pack(
        audit=audit,
        manifest=digest,
        checks=worst_first(audit),
        rules=tuple((told, str(audit.config[name])) for name, told in _RULES.items() if name in audit.config),
        results=tuple(each for each in results if each.axis not in both),
        intersections=tuple(each for each in results if each.axis in both),
        flagged=flagged_heads(audit),
        heads=tuple(head_row(head) for head in by_importance(audit.heads) if head.flagged),
        frameworks=tuple((each, rows_of(each, gaps)) for each in mapping.frameworks),
        gaps=gaps,
        reviewed_on=mapping.reviewed_on.isoformat(),
    )


def render_pack(pack: Pack) -> str:
    """Render the pack into one self-contained HTML document without any script."""
    environment = _environment()
    style = environment.get_template("compliance.css.j2").render()
    return environment.get_template("compliance.html.j2").render(
        pack=pack,
        audit=pack.audit,
        words=wording,
        limit_of=limit,
        title_of=title,
        accepted=lambda check: accepted(check, pack.audit),
        precision=model_line.precision(pack.audit.model),
        undefined=undefined_rows(pack.audit.coverage.undefined),
        environment=tuple(flatten(pack.audit.environment)),
        style=Markup(style),
        style_hash=digest(style),
    )


def _by_axis(audit: Audit) -> tuple[AxisResults, ...]:
    groups: dict[tuple[str, str], list[Slice]] = {}
    for row in slices(audit.findings):
        groups.setdefault((row.finding.suite, row.finding.axis), []).append(row)
    return tuple(AxisResults(*place, tuple(rows)) for place, rows in groups.items())


def _interval(measure: str, estimate: Estimate) -> str:
    """An interval with its level where that is not the usual one."""
    at = numbers.level(estimate)
    return wording.interval(measure, estimate) + (f" at {at}" if at else "")


def _environment() -> Environment:
    environment = page_environment()
    environment.filters.update(plain=in_line, sentence=lambda text: model_text(sentence(text)))
    environment.globals.update(interval=_interval)
    return environment
