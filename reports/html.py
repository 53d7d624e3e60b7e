"""The HTML report: one file that opens anywhere, asks no network, and reads without scripts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from audit.held_out import told
from audit.results import Audit, CheckResult, Verdict
from audit.results.visible import visible
from reports import model_line, numbers, wording
from reports.anchors import head_anchor, head_prefix
from reports.attention_section import AttentionSection, attention_section
from reports.chart_views import ChartViews, chart_views
from reports.coverage_rows import UndefinedRow, undefined_rows
from reports.embedding_rows import EmbeddingGroup, embedding_groups
from reports.figures.interval import axis_of, interval_info, interval_svg
from reports.figures.plain import PALETTE
from reports.folder import FinishedRun, read_folder
from reports.glossary import GLOSSARY
from reports.head_groups import HeadGroup, head_groups
from reports.head_pages import head_pages
from reports.output_rows import OutputGroup, output_groups
from reports.page_budget import attention_budget, pairs_budget
from reports.page_code import MAPLIBRE_STYLE, page_code
from reports.pair_cards import PairCard, pair_cards
from reports.pair_choice import Choice, choose_pairs
from reports.pair_heads import pair_heads
from reports.pair_table import PairTable, pair_table
from reports.power_rows import PowerRow, power_rows
from reports.total_effects import Share, shares, total_effects
from reports.unmeasured import unmeasured

TEMPLATES: Final = Path(__file__).parent / "templates"


class CheckView(NamedTuple):
    """A check of the gate with the picture of its interval."""

    result: CheckResult
    svg: Markup


class Setting(NamedTuple):
    """One entry of a nested record, with the path to it."""

    path: str
    value: str


class Page(NamedTuple):
    """Everything that the template draws."""

    run: FinishedRun
    checks: tuple[CheckView, ...]
    groups: tuple[HeadGroup, ...]
    outputs: tuple[OutputGroup, ...]
    embeddings: tuple[EmbeddingGroup, ...]
    choice: Choice
    cards: tuple[PairCard, ...]
    attention: AttentionSection
    table: PairTable
    head_pages: Markup
    charts: ChartViews
    power: tuple[PowerRow, ...]
    unmeasured: tuple[str, ...]
    shares: tuple[Share, ...]
    undefined: tuple[UndefinedRow, ...]
    environment: tuple[Setting, ...]
    settings: tuple[Setting, ...]


class HtmlReport:
    """Writes ``report.html``."""

    name = "html"

    def render(self, folder: Path, audit: Audit) -> list[Path]:
        """Write the report into a run folder.

        Args:
            folder: a finished run folder.
            audit: its result.
        Returns:
            The one file written.
        Raises:
            StoreError: a table or detail file of the run cannot be read.
        """
        path = folder / "report.html"
        part = folder / ".report.html.part"
        # Generated text can hold half of a surrogate pair, which UTF-8 cannot express.
        part.write_text(render_page(read_folder(folder, audit)), encoding="utf-8", errors="replace")
        os.replace(part, path)
        return [path]


def render_page(run: FinishedRun) -> str:
    """Render a run folder into one self-contained HTML document."""
    page = _page(run)
    environment = page_environment()
    code = page_code(environment.get_template("report.css.j2").render(), charts=page.charts.drawn)
    return environment.get_template("report.html.j2").render(
        page=page,
        audit=run.audit,
        words=wording,
        glossary=GLOSSARY,
        held_out=told,
        loaded_from=model_line.loaded_from(run.audit.model),
        precision=model_line.precision(run.audit.model),
        code=code,
        palette=PALETTE,
        head_prefix=head_prefix,
        maplibre_style=MAPLIBRE_STYLE,
    )


def _page(run: FinishedRun) -> Page:
    audit, effects = run.audit, total_effects(run)
    choice, strongest = choose_pairs(run, effects), pair_heads(run)
    groups = head_groups(audit.heads)
    outputs = output_groups(finding for finding in audit.findings if finding.subject is None)
    power = power_rows(audit, groups)
    cards = pair_cards(run, choice)
    table = pair_table(run, effects, strongest, budget=pairs_budget(len(groups)))
    return Page(
        run=run,
        checks=tuple(_check(result) for result in sorted(audit.gate.checks, key=_mildness)),
        groups=groups,
        outputs=outputs,
        embeddings=embedding_groups(audit.findings),
        choice=choice,
        cards=cards,
        attention=attention_section(run, cards, attention_budget(len(groups), len(table.data))),
        table=table,
        head_pages=head_pages(run, groups, strongest),
        charts=chart_views(run, groups, outputs, power),
        power=power,
        unmeasured=unmeasured(audit, run.missing),
        shares=shares(run, effects),
        undefined=undefined_rows(audit.coverage.undefined),
        environment=tuple(flatten(audit.environment)),
        settings=tuple(flatten(audit.config)),
    )


def flatten(record: Mapping[str, Any], path: str = "") -> Iterator[Setting]:
    """Turn a nested record into paths and values, in its own order.

    >>> [tuple(setting) for setting in flatten({"a": {"b": 1}, "c": [2, 3]})]
    [('a.b', '1'), ('c', '2, 3')]
    """
    for key, value in record.items():
        where = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from flatten(value, where)
        elif isinstance(value, list | tuple) and any(isinstance(part, Mapping) for part in value):
            for number, part in enumerate(value):
                yield from flatten(part if isinstance(part, Mapping) else {"": part}, f"{where}[{number}]")
        elif isinstance(value, list | tuple):
            yield Setting(where, ", ".join(map(str, value)))
        else:
            yield Setting(where, "" if value is None else str(value))


def model_text(text: object) -> Markup:
    """Escape text that a model or a suite wrote, and shut its direction marks in (``<bdi>``)."""
    return Markup("<bdi>{}</bdi>").format(visible(str(text)))


def part_of_text(text: object) -> Markup:
    """Escape a part of such a text: its direction is that of the whole, an element with ``dir="auto"``."""
    return Markup("{}").format(visible(str(text)))


def _mildness(result: CheckResult) -> int:
    return -list(Verdict).index(result.verdict)


def _check(result: CheckResult) -> CheckView:
    two_sided = result.measure == "total_effect" and result.kind == "limit"
    also = [0.0, result.at_most, *([-result.at_most] if two_sided else [])]
    info = interval_info(
        result.estimate, axis_of([result.estimate], also=also), result.at_most, two_sided=two_sided
    )
    return CheckView(result, interval_svg(info, 260))


def page_environment() -> Environment:
    """Templates and filters of pages: everything is escaped, and what a model wrote is shut in."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        text=model_text,
        plain=part_of_text,
        head_anchor=head_anchor,
        sentence=lambda text: model_text(text[:1].upper() + text[1:]),
        number=numbers.number,
        percent=numbers.percent,
        level=numbers.level,
        p_value=numbers.p_value,
        sample_size=numbers.sample_size,
    )
    return environment
