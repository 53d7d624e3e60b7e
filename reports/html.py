"""The HTML report: one file that opens anywhere, asks no network, and reads without scripts."""

from __future__ import annotations

import base64
import hashlib
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
from reports.attention_section import AttentionSection, attention_section
from reports.coverage_rows import UndefinedRow, undefined_rows
from reports.embedding_rows import EmbeddingGroup, embedding_groups
from reports.figures.interval import axis_of, interval_info, interval_svg
from reports.folder import FinishedRun, read_folder
from reports.glossary import GLOSSARY
from reports.head_groups import HeadGroup, head_groups
from reports.output_rows import OutputGroup, output_groups
from reports.pair_cards import PairCard, pair_cards
from reports.pair_choice import Choice, choose_pairs
from reports.total_effects import Share, shares, total_effects

TEMPLATES: Final = Path(__file__).parent / "templates"
#: What makes the page's script, in this order.
SCRIPTS: Final = (
    "page.js",
    "attention_data.js",
    "attention_lines.js",
    "attention_matrix.js",
    "attention_grid.js",
    "attention_neurons.js",
    "attention_section.js",
)


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
    effects = total_effects(run)
    choice = choose_pairs(run, effects)
    cards = pair_cards(run, choice)
    page = Page(
        run,
        tuple(_check(result) for result in sorted(run.audit.gate.checks, key=_mildness)),
        head_groups(run.audit.heads),
        output_groups(finding for finding in run.audit.findings if finding.subject is None),
        embedding_groups(run.audit.findings),
        choice,
        cards,
        attention_section(run, cards),
        shares(run, effects),
        undefined_rows(run.audit.coverage.undefined),
        tuple(flatten(run.audit.environment)),
        tuple(flatten(run.audit.config)),
    )
    environment = page_environment()
    style = environment.get_template("report.css.j2").render()
    script = "".join((TEMPLATES / "js" / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return environment.get_template("report.html.j2").render(
        page=page,
        audit=run.audit,
        words=wording,
        glossary=GLOSSARY,
        held_out=told,
        loaded_from=model_line.loaded_from(run.audit.model),
        precision=model_line.precision(run.audit.model),
        style=Markup(style),
        style_hash=digest(style),
        script=Markup(script),
        script_hash=digest(script),
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


def digest(code: str) -> str:
    """The hash by which the page's security policy lets its own code, and nothing else, run."""
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()


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
        sentence=lambda text: model_text(text[:1].upper() + text[1:]),
        number=numbers.number,
        percent=numbers.percent,
        level=numbers.level,
        p_value=numbers.p_value,
        sample_size=numbers.sample_size,
    )
    return environment
