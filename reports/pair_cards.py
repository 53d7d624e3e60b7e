"""The pairs that the page shows one by one: prompt, attention, outputs of both arms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import pandas as pd

from audit.results import HeadFinding
from reports.attention_view import AttentionView, attention_view
from reports.folder import Detail, FinishedRun
from reports.numbers import defined
from reports.word_diff import Segment, Swap, compare_words, merge

#: Pairs shown besides the well-known ones; the tables of the run folder hold all.
MOST_PAIRS: Final = 24


class Continuation(NamedTuple):
    """What the model wrote after one text; the words that the other arm lacks are marked."""

    arm: str
    segments: tuple[Segment, ...]


class Preference(NamedTuple):
    """How much the model prefers the first completion to the second after each text, in nats."""

    first: str
    second: str
    a: float
    b: float

    @property
    def effect(self) -> float:
        """Total effect of this pair."""
        return self.a - self.b


class PairHead(NamedTuple):
    """What the drawn head does in this very pair; None where undefined."""

    name: str
    bias: float | None
    nie: float | None


class PairCard(NamedTuple):
    """One pair as the page shows it.

    Args:
        anchor: stable id to link to.
        pair: its row of ``pairs.parquet``.
        well_known: whether it is one of the suite's explicit seed prompts.
        prompt: both texts laid over each other.
        continuations: None where nothing was generated.
        preference: None where no completions were scored.
        attention: None where the run kept none.
        head: the drawn head's figures in this pair.
    """

    anchor: str
    pair: Any
    well_known: bool
    prompt: tuple[Swap, ...]
    continuations: tuple[Continuation, Continuation] | None
    preference: Preference | None
    attention: AttentionView | None
    head: PairHead | None


def pair_cards(run: FinishedRun) -> tuple[PairCard, ...]:
    """Choose and prepare the pairs: seed pairs first, then those with kept attention, strongest first.

    Args:
        run: the run folder.
    Returns:
        The cards; where the run kept no attention, the pairs with the largest total effects.
    """
    pairs = _chosen(run.pairs[run.pairs["pair_id"].notna()], run.details)
    ids = [pair.pair_id for pair in pairs]
    outputs = run.outputs[run.outputs["pair_id"].isin(ids)]
    by_pair = {str(name): frame for name, frame in outputs.groupby("pair_id")}
    heads = run.heads_of([name for name in ids if name in run.details])
    cards = [_card(pair, by_pair.get(pair.pair_id), heads, run) for pair in pairs]
    cards.sort(key=lambda card: (not card.well_known, card.attention is None, -_size(card)))
    return tuple(cards[:MOST_PAIRS])


def anchor(suite: str, pair_id: str) -> str:
    """The stable id of a pair on the page.

    >>> anchor("gender", "asked/nurse doctor")
    'pair-gender-asked-nurse-doctor'
    """
    return "pair-" + re.sub(r"[^\w.-]+", "-", f"{suite}-{pair_id}")


def _chosen(pairs: pd.DataFrame, details: dict[str, Detail]) -> list[Any]:
    seeds = pairs["pair_id"].str.contains("seed", regex=False)
    kept = pairs["pair_id"].isin(list(details))
    measured = (pairs["status"] == "measured") & (pairs["kind"] == "treatment")
    chosen = pairs[seeds | kept]
    if not kept.any():
        chosen = pd.concat([chosen, pairs[measured & ~seeds].head(MOST_PAIRS // 2)])
    return list(chosen.astype(object).where(chosen.notna(), None).itertuples(index=False))


def _size(card: PairCard) -> float:
    return abs(card.preference.effect) if card.preference else -1.0


def _card(pair: Any, outputs: pd.DataFrame | None, heads: pd.DataFrame, run: FinishedRun) -> PairCard:
    detail = run.details.get(pair.pair_id)
    view = _attention(pair, detail, run.audit.heads) if detail else None
    return PairCard(
        anchor(pair.suite, pair.pair_id),
        pair,
        "seed" in pair.pair_id,
        merge(pair.text_a, pair.text_b),
        _continuations(pair, outputs),
        _preference(pair, outputs),
        view,
        _pair_head(pair, view, heads),
    )


def _attention(pair: Any, detail: Detail, findings: Iterable[HeadFinding]) -> AttentionView | None:
    if not detail.queries or not detail.weights_a.size:
        return None
    mine = [
        finding
        for finding in findings
        if (finding.suite, finding.contrast, finding.stream)
        == (pair.suite, (pair.arm_a, pair.arm_b), detail.stream)
    ]
    names = (pair.candidate_1, pair.candidate_2)
    return attention_view(detail, mine, names if all(names) else None)


def _pair_head(pair: Any, view: AttentionView | None, heads: pd.DataFrame) -> PairHead | None:
    if view is None or heads.empty:
        return None
    here = (heads["pair_id"] == pair.pair_id) & (heads["suite"] == pair.suite)
    row = heads[here & (heads["layer"] == view.info.layer) & (heads["head"] == view.info.head)]
    if row.empty:
        return None
    suffix = "" if view.info.query_a != view.info.query_b else "_next"
    return PairHead(
        f"{view.info.layer}-{view.info.head}",
        _float(row[f"bias{suffix}"].iloc[0]),
        _float(row[f"nie{suffix}"].iloc[0]),
    )


def _continuations(pair: Any, outputs: pd.DataFrame | None) -> tuple[Continuation, Continuation] | None:
    texts = _by_arm(pair, outputs, "generation", "text")
    if texts is None:
        return None
    # The space that joins the continuation to its prompt says nothing.
    a, b = compare_words(*(str(text).removeprefix(" ") for text in texts))
    return Continuation(pair.arm_a, a), Continuation(pair.arm_b, b)


def _preference(pair: Any, outputs: pd.DataFrame | None) -> Preference | None:
    values = _by_arm(pair, outputs, "completion_log_odds", "value")
    if values is None or not (pair.completion_1 and pair.completion_2):
        return None
    return Preference(pair.completion_1.strip(), pair.completion_2.strip(), *map(float, values))


def _by_arm(pair: Any, outputs: pd.DataFrame | None, measure: str, column: str) -> Sequence[Any] | None:
    """A measure's value in both arms; None unless both are there."""
    if outputs is None:
        return None
    rows = outputs[(outputs["measure"] == measure) & outputs[column].notna()]
    found = dict(zip(rows["arm"], rows[column], strict=True))
    return [found[pair.arm_a], found[pair.arm_b]] if {pair.arm_a, pair.arm_b} <= found.keys() else None


def _float(value: float | None) -> float | None:
    return float(value) if not pd.isna(value) and defined(float(value)) else None
