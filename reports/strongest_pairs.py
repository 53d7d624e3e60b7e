"""The pairs that show most: those of the HTML report under test, strongest first, with their line in the suite."""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from urllib.parse import quote

from audit.results.visible import in_line
from reports.folder import FinishedRun
from reports.numbers import defined, number
from reports.pair_cards import anchor
from reports.pair_choice import choose_pairs
from reports.total_effects import total_effects
from reports.word_diff import merge

#: Characters of a prompt that a line about a pair shows.
PROMPT: Final = 200
_LINK: Final = 1000


class StrongPair(NamedTuple):
    """One measured pair under test.

    Args:
        suite, pair_id, contrast: which pair.
        file, line: where the suite has it; line 0 where that is unknown.
        prompt: both texts laid over each other, in one line: ``⟨She / He⟩ said``.
        effect: total effect in nats; None where it was not measured.
        bias: mean absolute signed bias of the heads; None where no attention was read.
        link: its place in the HTML report.
    """

    suite: str
    pair_id: str
    contrast: tuple[str, str]
    file: str
    line: int
    prompt: str
    effect: float | None
    bias: float | None
    link: str

    @property
    def figures(self) -> str:
        """The pair's figures in words, without what was not measured."""
        told = [f"total effect {number(self.effect, signed=True)} nats"] if defined(self.effect) else []
        return ", ".join(
            [*told, *([f"mean |signed bias| {number(self.bias)}"] if defined(self.bias) else [])]
        )


def strongest_pairs(run: FinishedRun) -> tuple[StrongPair, ...]:
    """Take the pairs that the HTML report shows, so that every link leads somewhere.

    Args:
        run: the run folder.
    Returns:
        Pairs under test with a figure, by absolute total effect, then by bias.
    """
    effects = total_effects(run)
    choice = choose_pairs(run, effects)
    pairs = [
        _pair(row, effects.get(row.pair_id), choice.strength.get(row.pair_id))
        for row in choice.rows
        if row.kind == "treatment" and row.status == "measured"
    ]
    told = [pair for pair in pairs if pair.figures]
    return tuple(sorted(told, key=lambda pair: (-abs(pair.effect or 0.0), -(pair.bias or 0.0), pair.pair_id)))


def _pair(row: Any, effect: float | None, bias: float | None) -> StrongPair:
    link = f"report.html#{quote(anchor(row.suite, row.pair_id), errors='replace')}"
    if len(link) > _LINK:  # no reader needs a name as long as a page
        link = "report.html#pairs"
    return StrongPair(
        row.suite,
        row.pair_id,
        (row.arm_a, row.arm_b),
        row.file or "",
        int(row.line or 0),
        _prompt(row.text_a, row.text_b),
        None if effect is None else float(effect),
        bias,
        link,
    )


def _prompt(a: str, b: str) -> str:
    parts = (f"⟨{part.a} / {part.b}⟩" if part.differs else part.a for part in merge(a, b))
    return in_line("".join(parts), PROMPT)
