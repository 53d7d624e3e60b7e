"""The pairs that the page shows one by one: prompt, attention, outputs of both arms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from audit.results import HeadFinding
from reports.attention_view import AttentionView, attention_view
from reports.folder import Detail, FinishedRun
from reports.numbers import defined
from reports.pair_choice import Choice
from reports.word_diff import Segment, Swap, compare_words, merge


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
        by_hand: whether the suite writes it out, instead of making it from a template.
        strength: mean |signed bias| over the flagged heads; None where there is none.
        prompt: both texts laid over each other.
        continuations: None where nothing was generated.
        preference: None where no completions were scored.
        attention: None where the run kept none.
        head: the drawn head's figures in this pair.
    """

    anchor: str
    pair: Any
    by_hand: bool
    strength: float | None
    prompt: tuple[Swap, ...]
    continuations: tuple[Continuation, Continuation] | None
    preference: Preference | None
    attention: AttentionView | None
    head: PairHead | None


def pair_cards(run: FinishedRun, choice: Choice) -> tuple[PairCard, ...]:
    """Prepare the chosen pairs.

    Args:
        run: the run folder.
        choice: the pairs, in the order of the page.
    Returns:
        A card for each.
    """
    outputs = run.outputs[run.outputs["pair_id"].isin([pair.pair_id for pair in choice.rows])]
    by_pair = {str(name): frame for name, frame in outputs.groupby("pair_id")}
    return tuple(_card(pair, by_pair.get(pair.pair_id), choice, run) for pair in choice.rows)


def anchor(suite: str, pair_id: str) -> str:
    """The stable id of a pair on the page.

    >>> anchor("gender", "asked/nurse doctor")
    'pair-gender-asked-nurse-doctor'
    """
    return "pair-" + re.sub(r"[^\w.-]+", "-", f"{suite}-{pair_id}")


def _card(pair: Any, outputs: pd.DataFrame | None, choice: Choice, run: FinishedRun) -> PairCard:
    detail = run.details.get(pair.pair_id)
    view = _attention(pair, detail, run.audit.heads) if detail else None
    return PairCard(
        anchor(pair.suite, pair.pair_id),
        pair,
        pair.pair_id in choice.by_hand,
        choice.strength.get(pair.pair_id),
        merge(pair.text_a, pair.text_b),
        _continuations(pair, outputs),
        _preference(pair, outputs),
        view,
        _pair_head(pair, view, choice.heads),
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
