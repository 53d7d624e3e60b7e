"""The page tells the published figures, of comparisons that were made as it says."""

from __future__ import annotations

from tests.benchmarks.bars import BARS, Bar
from tests.benchmarks.ledger import read_figures
from tests.benchmarks.page import END, PAGE, START, tables
from tests.benchmarks.parts import PARTS
from tests.benchmarks.timing import ENOUGH, Run, interleaved, spread

PUBLISHED = read_figures()


def test_the_page_tells_the_published_figures() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.split(START)[1].split(END)[0].strip() == tables(PUBLISHED)


def test_published_figures_are_of_parts_and_of_five_rounds_at_least() -> None:
    assert set(PUBLISHED) <= set(PARTS)
    assert {bar.part for bar in BARS} == set(PARTS)
    assert all(found["machine"]["rounds"] >= ENOUGH == 5 for found in PUBLISHED.values())


def test_every_bar_of_a_published_part_finds_its_figure() -> None:
    needed = [bar for bar in BARS if bar.part in PUBLISHED]
    assert [bar.work for bar in needed if bar.found(PUBLISHED) is None] == []


def test_sides_run_in_turn_and_the_warm_up_is_not_counted() -> None:
    called: list[tuple[str, int]] = []

    def side(name: str, seconds: float) -> object:
        def run(number: int) -> Run:
            called.append((name, number))
            return Run(seconds * (1 + number), (name, number))

        return run

    timed = interleaved({"slow": side("slow", 3.0), "fast": side("fast", 1.0)}, rounds=3)  # type: ignore[dict-item]
    assert called == [(name, number) for number in range(4) for name in ("slow", "fast")]
    assert timed.seconds == {"slow": [6.0, 9.0, 12.0], "fast": [2.0, 3.0, 4.0]}
    assert timed.numbers["fast"] == [("fast", 1), ("fast", 2), ("fast", 3)]
    assert timed.ratio("slow", "fast") == {"median": 3.0, "least": 3.0, "most": 3.0}


def test_a_spread_is_median_least_and_most() -> None:
    assert spread([3.0, 1.0, 2.00004]) == {"median": 2.0, "least": 1.0, "most": 3.0}


def test_a_bar_holds_on_its_own_side() -> None:
    more, less = (Bar("nie", "w", "a", ("f",), side, 2.0) for side in ("≥", "≤"))
    assert (more.holds(2.0), more.holds(1.9), less.holds(2.0), less.holds(2.1)) == (True, False, True, False)
    assert more.found({}) is None
    assert more.found({"nie": {"figures": {"f": 3.0}}}) == {"median": 3.0}
