"""What a run was made with, and how a later decision departs from it."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from audit.config import Check, RunConfig
from audit.errors import InputError

#: Settings that decide whether a head is flagged; they carry no date of their own.
RULES = ("q", "correction", "min_bias", "min_nie", "largest_hidden_bias", "power")


@dataclass(frozen=True, slots=True)
class Agreement:
    """The settings of the run itself, and the verdict that it came to under them.

    Args:
        config: from ``manifest.json``, which is never changed after the run.
        verdict: of the run; None in folders that do not tell.
    """

    config: RunConfig
    verdict: str | None


def read_agreement(manifest: Path) -> Agreement:
    """Read what a run was made with.

    Raises:
        InputError: the manifest is missing or is not one.
    """
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        return Agreement(RunConfig.model_validate(content["config"]), content.get("verdict"))
    except OSError as error:
        raise InputError.single(
            f"cannot be read ({error.strerror}); without it nobody can tell what the run was made with",
            manifest,
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("config", *first["loc"])))
        raise InputError.single(f"not a config: {first['msg']}", manifest, path=where) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError.single("not a manifest; run the audit again", manifest) from error


def departures(agreed: RunConfig, chosen: RunConfig) -> tuple[str, ...]:
    """Every rule, check and waiver in which a decision differs from the run, one phrase each."""
    told = [
        f"{name} {_shown(getattr(chosen, name))} instead of {_shown(getattr(agreed, name))}"
        for name in RULES
        if getattr(chosen, name) != getattr(agreed, name)
    ]
    for kind, old, new in (
        ("check", {c.id: c for c in agreed.checks}, {c.id: c for c in chosen.checks}),
        ("waiver", {w.id: w for w in agreed.waivers}, {w.id: w for w in chosen.waivers}),
    ):
        told += [f"{kind} {name} added" for name in new if name not in old]
        told += [f"{kind} {name} removed" for name in old if name not in new]
        told += [f"{kind} {name} changed" for name in new if name in old and new[name] != old[name]]
    return tuple(told)


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def set_after_the_fact(check: Check, chosen: RunConfig, started: dt.date, agreed: RunConfig | None) -> bool:
    """Whether a threshold is younger than the run, or was not part of it.

    Dates count by day. A check that the run was not made with counts as younger from the run's own day
    on; one of heads also when a rule of flagging was changed, since rules carry no date.
    """
    if check.date > started:
        return True
    if agreed is None:
        return False
    if check.measure == "flagged_heads" and any(getattr(chosen, r) != getattr(agreed, r) for r in RULES):
        return True
    return check not in agreed.checks and check.date >= started
