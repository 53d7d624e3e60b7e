"""What rules ask for and what a run gives: the dated mapping, with a gap wherever the run has nothing to show."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict

from audit.results import Audit
from reports.slices import slices

_FILE: Final = Path(__file__).parent / "mappings" / "requirements.yaml"
#: How an axis is named that crosses two.
_CROSSED: Final = ("×", " x ", "&", "+")
#: Parts of the evidence pack that a requirement can point at; they are the anchors of its sections.
PARTS: Final[dict[str, str]] = {
    "suites": "Suites",
    "hazard": "Hazards",
    "method": "Method",
    "thresholds": "Thresholds",
    "prior": "Thresholds set before the run",
    "results": "Results by axis",
    "intersections": "Intersections",
    "heads": "Attention heads",
    "waivers": "Waivers",
    "coverage": "What was not measured",
    "limits": "Limits",
    "trace": "Trace",
    "signature": "Signatures",
}


class Item(BaseModel):
    """One requirement, paraphrased.

    Args:
        ref: where it stands.
        asks: what it asks for.
        evidence: parts of the pack that speak to it.
        gaps: what no run can give.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ref: str
    asks: str
    evidence: tuple[str, ...]
    gaps: tuple[str, ...]


class Framework(BaseModel):
    """A law or a framework with its requirements; ``note`` stands above them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    source: str
    note: str
    items: tuple[Item, ...]


class Mapping(BaseModel):
    """The whole data file, and when somebody last read the sources."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reviewed_on: dt.date
    frameworks: tuple[Framework, ...]


class Part(NamedTuple):
    """A part of the pack that a requirement points at; ``anchor`` is the section that it lies in."""

    id: str
    title: str

    @property
    def anchor(self) -> str:
        """Hazards lie with the suites, the age of thresholds with these."""
        return {"hazard": "suites", "prior": "thresholds"}.get(self.id, self.id)


class Row(NamedTuple):
    """A requirement against a run: what speaks to it, and what is missing."""

    item: Item
    evidence: tuple[Part, ...]
    gaps: tuple[str, ...]


def read_mapping() -> Mapping:
    """Read the dated mapping."""
    return Mapping.model_validate(yaml.safe_load(_FILE.read_text(encoding="utf-8")))


def rows_of(framework: Framework, gaps: dict[str, str]) -> tuple[Row, ...]:
    """Set a framework against a run.

    Args:
        framework: from the mapping.
        gaps: part → why this run does not have it, from :func:`gaps_of`.
    Returns:
        One row per requirement; parts that the run does not have are among its gaps.
    """
    return tuple(
        Row(
            item,
            tuple(Part(name, PARTS[name]) for name in item.evidence if name not in gaps),
            (*(f"{PARTS[name]}: {gaps[name]}" for name in item.evidence if name in gaps), *item.gaps),
        )
        for item in framework.items
    )


def gaps_of(audit: Audit, *, traced: bool) -> dict[str, str]:
    """Every part of the pack that a run has nothing for, with the reason in one sentence.

    Args:
        audit: the run's result.
        traced: whether the folder holds ``manifest.json``.
    """
    checks, estimates = audit.gate.checks, slices(audit.findings)
    late = sum(check.set_after_the_fact for check in checks)
    unnamed = [suite.name for suite in audit.suites if not suite.hazard]
    measured = any(row.finding.estimate is not None for row in estimates)
    missing = {
        "suites": "no suite was run." if not audit.suites else "",
        "hazard": f"not stated by {', '.join(unnamed) or 'any suite'}."
        if unnamed or not audit.suites
        else "",
        "thresholds": "no threshold was set." if not checks else "",
        "prior": _prior(late, len(checks)),
        "results": "nothing was measured." if not measured else "",
        "intersections": "" if crossed(audit) else "no suite crosses two axes (such as gender × race).",
        "heads": "no attention head was measured." if not audit.heads else "",
        "limits": "none are told." if not audit.limits else "",
        "trace": "manifest.json is missing." if not traced else "",
        "signature": "empty until the persons responsible sign.",
    }
    return {name: why for name, why in missing.items() if why}


def crossed(audit: Audit) -> tuple[str, ...]:
    """The axes of a run that are intersections of two."""
    axes = dict.fromkeys(finding.axis for finding in audit.findings)
    return tuple(axis for axis in axes if any(sign in axis for sign in _CROSSED))


def _prior(late: int, checks: int) -> str:
    if not checks:
        return "no threshold was set."
    return f"{late} of {checks} limits {'was' if late == 1 else 'were'} set after the fact." if late else ""
