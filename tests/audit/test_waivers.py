"""Waivers on a certain day: expired, about to expire, valid, not yet valid."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from audit.cli import main
from audit.config import Waiver
from audit.waivers import list_waivers, state_of

DAY = dt.date(2026, 11, 1)
CHECK = "  - {id: effect, measure: total_effect, at_most: 1, set_by: me, reason: r, date: 2020-01-01}\n"


def waiver(expires: dt.date, created: dt.date = dt.date(2026, 1, 1)) -> Waiver:
    names = dict.fromkeys(("id", "check", "owner", "approver", "reason"), "w")
    return Waiver(**names, created=created, expires=expires)


@pytest.mark.parametrize(
    ("days", "state", "told"),
    [
        (-2, "expired", "expired 2 days ago"),
        (-1, "expired", "expired 1 day ago"),
        (0, "about to expire", "expires today"),
        (1, "about to expire", "expires in 1 day"),
        (30, "about to expire", "expires in 30 days"),
        (31, "valid", "expires in 31 days"),
    ],
)
def test_a_waiver_ends_after_its_last_day(days: int, state: str, told: str) -> None:
    found = state_of(waiver(DAY + dt.timedelta(days)), "ci", DAY)
    assert (found.state, found.told, found.days) == (state, told, days)


def test_a_waiver_of_tomorrow_is_not_yet_valid() -> None:
    found = state_of(waiver(dt.date(2026, 11, 9), created=dt.date(2026, 11, 2)), "ci", DAY)
    assert (found.state, found.told) == ("not yet valid", "valid from 2026-11-02 to 2026-11-09")


def config(folder: Path, name: str, **waivers: str) -> str:
    lines = [
        f"  - {{id: {key}, check: effect, owner: o, approver: a, reason: r, created: 2020-01-01, expires: {day}}}\n"
        for key, day in waivers.items()
    ]
    file = folder / name
    file.write_text("checks:\n" + CHECK + "waivers:\n" + "".join(lines), encoding="utf-8")
    return str(file)


def test_the_soonest_come_first(tmp_path: Path) -> None:
    files = [
        config(tmp_path, "a.yaml", late="2027-06-01", gone="2026-10-01"),
        config(tmp_path, "b.yaml", soon="2026-11-20"),
    ]
    found = list_waivers(files, DAY)
    assert [(one.waiver.id, one.state) for one in found] == [
        ("gone", "expired"),
        ("soon", "about to expire"),
        ("late", "valid"),
    ]
    assert {one.scope for one in found} == {"effect in every suite"}


def test_the_command_lists_them_and_ends_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    file = config(tmp_path, "a.yaml", late="2999-01-01", gone="2021-01-01")
    assert main(["waivers", file]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["waiver", "gone", "late"]
    assert "days ago" in lines[1]
    assert main(["waivers"]) == 0
    assert capsys.readouterr().out == "no waivers\n"
    assert main(["waivers", str(tmp_path / "absent.yaml")]) == 2
