"""The section of the page that shows whole attention, within what the page may weigh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from audit.kept_attention import KeptStream
from audit.results import HeadFinding
from reports.attention_data import AttentionData, Extent, attention_data
from reports.figures.head_lines import head_lines_info, head_lines_svg
from reports.folder import FinishedRun
from reports.packed_attention import is_causal
from reports.pair_cards import PairCard
from reports.shown_heads import shown_heads


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
        skips_first: whether they leave out lines to the first word.
    """

    pairs: tuple[ShownPair, ...]
    left_out: tuple[LeftOut, ...]
    head: str
    pictures: tuple[Markup, ...]
    skips_first: bool

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


def attention_section(run: FinishedRun, cards: Sequence[PairCard], most_bytes: int) -> AttentionSection:
    """Choose what the page holds of each pair: all heads of the first pairs, then those that are named.

    One pair's matrices are in memory at a time.

    Args:
        run: the run folder.
        cards: the pairs of the page, in their order.
        most_bytes: what the data may weigh.
    """
    small: list[tuple[PairCard, AttentionData]] = []
    left_out: list[LeftOut] = []
    left = most_bytes
    for card in cards:
        if card.pair.pair_id not in run.details:
            continue
        streams, why_none = run.streams_of(card.pair.pair_id)
        least = _data(run, card, streams, "named") if streams else None
        if least is None or least.size > left:
            reason = f"the page would weigh more than {most_bytes / 1e6:.1f} MB"
            left_out.append(
                LeftOut(card, reason if streams else why_none or "the probe that read it keeps none")
            )
            continue
        small.append((card, least))
        left -= least.size
    complete = _complete(run, small, left)
    pairs = [
        ShownPair(card, complete.get(card.anchor, least).content, card.anchor in complete)
        for card, least in small
    ]
    drawn = _pictures(run, pairs[0].card) if pairs else ("", (), False)
    return AttentionSection(tuple(pairs), tuple(left_out), *drawn)


def _complete(
    run: FinishedRun, small: Sequence[tuple[PairCard, AttentionData]], left: int
) -> dict[str, AttentionData]:
    """By anchor all heads of the first pairs, as long as there is room for the difference."""
    found = {}
    for card, least in small:
        full = _data(run, card, run.streams_of(card.pair.pair_id)[0], "all")
        left -= full.size - least.size
        if left < 0:
            break
        found[card.anchor] = full
    return found


def _data(run: FinishedRun, card: PairCard, streams: Sequence[KeptStream], extent: Extent) -> AttentionData:
    return attention_data(streams, (card.pair.arm_a, card.pair.arm_b), _mine(run, card), extent)


def _mine(run: FinishedRun, card: PairCard) -> list[HeadFinding]:
    pair = card.pair
    contrast = pair.arm_a, pair.arm_b
    return [f for f in run.audit.heads if (f.suite, f.contrast) == (pair.suite, contrast)]


def _pictures(run: FinishedRun, card: PairCard) -> tuple[str, tuple[Markup, ...], bool]:
    (kept, *_), _ = run.streams_of(card.pair.pair_id)
    named = shown_heads(kept, _mine(run, card))[0]
    causal = is_causal(kept.a.weights, kept.b.weights)
    info = head_lines_info(run.details[card.pair.pair_id], named.layer, named.head, skip_first=causal)
    arms = str(card.pair.arm_a), str(card.pair.arm_b)
    return f"{named.layer}-{named.head} ({named.label})", head_lines_svg(info, arms), causal
