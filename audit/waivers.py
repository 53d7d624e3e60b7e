"""Waivers of configs, soonest to expire first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from audit.config import Waiver
from audit.loader import load_config

#: From so many days before its end a waiver is about to expire.
NOTICE_DAYS = 30

State = Literal["expired", "about to expire", "valid", "not yet valid"]


@dataclass(frozen=True, slots=True)
class ListedWaiver:
    """A waiver on a certain day.

    Args:
        waiver: as it was written.
        config: the preset or file that it stands in.
        days: until its last day; below 0 once it has expired.
        state: what that means.
    """

    waiver: Waiver
    config: str
    days: int
    state: State

    @property
    def scope(self) -> str:
        """What it accepts."""
        return f"{self.waiver.check} in {self.waiver.suite or 'every suite'}"

    @property
    def told(self) -> str:
        """When it ends, in words.

        >>> day = dt.date(2026, 11, 1)
        >>> names = dict.fromkeys(("id", "check", "owner", "approver", "reason"), "w")
        >>> waiver = Waiver(**names, created=dt.date(2026, 1, 1), expires=day)
        >>> state_of(waiver, "ci", day).told
        'expires today'
        """
        match self.state:
            case "expired":
                return f"expired {_days(-self.days)} ago"
            case "not yet valid":
                return f"valid from {self.waiver.created} to {self.waiver.expires}"
            case _:
                return f"expires in {_days(self.days)}" if self.days else "expires today"


def state_of(waiver: Waiver, config: str, today: dt.date) -> ListedWaiver:
    """Say how a waiver stands on a day; it is valid through its last day."""
    days = (waiver.expires - today).days
    state: State = "valid"
    if days < 0:
        state = "expired"
    elif waiver.created > today:
        state = "not yet valid"
    elif days <= NOTICE_DAYS:
        state = "about to expire"
    return ListedWaiver(waiver, config, days, state)


def list_waivers(configs: Iterable[str], today: dt.date) -> Sequence[ListedWaiver]:
    """Collect the waivers of configs.

    Args:
        configs: presets or files.
        today: the day.
    Returns:
        Soonest to expire first.
    Raises:
        InputError: a config is wrong.
    """
    loaded = [load_config(name) for name in configs]
    found = [
        state_of(waiver, document.file, today) for config, document in loaded for waiver in config.waivers
    ]
    return sorted(found, key=lambda one: (one.waiver.expires, one.waiver.id, one.config))


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"
