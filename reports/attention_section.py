"""The section of the page that shows whole attention, within what the page may weigh."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from audit.results import HeadFinding
from reports.attention_data import AttentionData, attention_data
from reports.figures.head_lines import head_lines_info, head_lines_svg
from reports.folder import Detail, FinishedRun
from reports.pair_cards import PairCard
from reports.shown_heads import shown_heads

#: Bytes of the page that hold whole attention, of all pairs together.
MOST_BYTES: Final = 2_500_000


class ShownPair(NamedTuple):
    """A pair whose attention can be looked at.

    Args:
        card: the pair as the page shows it.
        data: for the scripts.
        complete: whether all heads are there, or only those that are named.
    """

    card: PairCard
    data: dict[str, Any]
    complete: bool


class LeftOut(NamedTuple):
    """A pair with kept attention that cannot be looked at whole, and why."""

    card: PairCard
    reason: str


class AttentionSection(NamedTuple):
    """Everything that the section draws.

    Args:
        pairs: what can be chosen; the first is drawn.
        left_out: pairs that cannot.
        head: name of the drawn head, with its label.
        pictures: its lines in text a, text b, and their difference; empty without pairs.
    """

    pairs: tuple[ShownPair, ...]
    left_out: tuple[LeftOut, ...]
    head: str
    pictures: tuple[Markup, ...]

    @property
    def shown(self) -> bool:
        """Whether there is anything to say: the run kept attention."""
        return bool(self.pairs or self.left_out)

    @property
    def anchors(self) -> frozenset[str]:
        """Of the pairs that can be chosen."""
        return frozenset(pair.card.anchor for pair in self.pairs)

    @property
    def partial(self) -> int:
        """How many pairs have only the heads that are named."""
        return sum(not pair.complete for pair in self.pairs)


def attention_section(
    run: FinishedRun, cards: Sequence[PairCard], most_bytes: int = MOST_BYTES
) -> AttentionSection:
    """Choose what the page holds of each pair: all heads of the first pairs, then those that are named.

    Args:
        run: the run folder.
        cards: the pairs of the page, in their order.
        most_bytes: what the data may weigh.
    """
    kept = [(card, detail) for card in cards if (detail := run.details.get(card.pair.pair_id))]
    whole = [(card, detail) for card, detail in kept if detail.streams]
    left_out = [
        LeftOut(card, detail.why_no_whole or "nothing was kept")
        for card, detail in kept
        if not detail.streams
    ]
    small = [_data(card, detail, run.audit.heads, "named") for card, detail in whole]
    fitting = _fitting([each.size for each in small], most_bytes)
    left_out += [
        LeftOut(card, f"the page would weigh more than {most_bytes / 1e6:.1f} MB")
        for card, _ in whole[fitting:]
    ]
    left = most_bytes - sum(each.size for each in small[:fitting])
    pairs = []
    for (card, detail), least in zip(whole[:fitting], small, strict=False):
        full = _data(card, detail, run.audit.heads, "all")
        complete = full.size - least.size <= left
        left -= full.size - least.size if complete else 0
        pairs.append(ShownPair(card, (full if complete else least).content, complete))
    head, pictures = _pictures(*whole[0], run.audit.heads) if pairs else ("", ())
    return AttentionSection(tuple(pairs), tuple(left_out), head, pictures)


def _fitting(sizes: Iterable[int], most: int) -> int:
    """How many of the first sizes fit together."""
    count = 0
    for size in sizes:
        most -= size
        if most < 0:
            break
        count += 1
    return count


def _data(card: PairCard, detail: Detail, findings: Iterable[HeadFinding], extent: Any) -> AttentionData:
    return attention_data(detail, (card.pair.arm_a, card.pair.arm_b), _mine(card, findings), extent)


def _mine(card: PairCard, findings: Iterable[HeadFinding]) -> list[HeadFinding]:
    pair = card.pair
    return [f for f in findings if (f.suite, f.contrast) == (pair.suite, (pair.arm_a, pair.arm_b))]


def _pictures(
    card: PairCard, detail: Detail, findings: Iterable[HeadFinding]
) -> tuple[str, tuple[Markup, ...]]:
    named = shown_heads(detail.streams[0], _mine(card, findings))[0]
    info = head_lines_info(detail, named.layer, named.head)
    arms = str(card.pair.arm_a), str(card.pair.arm_b)
    return f"{named.layer}-{named.head} ({named.label})", head_lines_svg(info, arms)
