"""The attention of one pair, ready to be shown: the strongest head drawn, the others kept as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from markupsafe import Markup

from audit.characters import kind_of
from audit.importance import by_importance
from audit.results import HeadFinding
from reports.figures.attention_rows import AttentionInfo, align_rows, attention_info, attention_svg
from reports.folder import Detail

#: Heads whose rows are put into the page, for each pair.
MOST_HEADS: Final = 24
#: Steps of the tint behind the words.
TINTS: Final = 8
#: Attention on both candidates together below which a head is said to look at neither.
LOOKS_AT_NEITHER: Final = 0.01
#: Share of that attention from which a head is said to look at one of them.
LOOKS_AT_ONE: Final = 0.6


class Look(NamedTuple):
    """Where one text's query word looks: attention on each candidate and the one it looks at more."""

    query: str
    first: float
    second: float
    at: str


class Word(NamedTuple):
    """A word of a text and its tint, 0 to ``TINTS``; None for the first word, where idle heads look.

    A ``named`` one is no part of the text but a token such as ``<s>``, and tells nothing of its direction.
    """

    text: str
    row: int
    tint: int | None
    glued: bool
    named: bool


class HeadOption(NamedTuple):
    """A head that the reader can choose."""

    layer: int
    head: int
    label: str

    @property
    def name(self) -> str:
        """Layer, head and label, as in ``15-7 (carries)``."""
        return f"{self.layer}-{self.head} ({self.label})"


class AttentionView(NamedTuple):
    """What the page shows of one pair's attention.

    Args:
        info: the head and row that are drawn.
        svg: their picture.
        heads, queries: what can be chosen; the first of each is drawn.
        candidates: the two nouns, where the words of both were found.
        looks: where each text looks; None without candidates.
        words_a, words_b: the texts, tinted.
        data: rows of all heads and queries, for the script.
        labelled: False where no head of the audit has a label and the strongest one is shown instead.
    """

    info: AttentionInfo
    svg: Markup
    heads: tuple[HeadOption, ...]
    queries: tuple[str, ...]
    candidates: tuple[str, str] | None
    looks: tuple[Look, Look] | None
    words_a: tuple[Word, ...]
    words_b: tuple[Word, ...]
    data: dict[str, Any]
    labelled: bool


def attention_view(
    detail: Detail, findings: Sequence[HeadFinding], candidates: tuple[str, str] | None
) -> AttentionView:
    """Prepare the attention of a pair.

    Args:
        detail: the pair's kept attention.
        findings: heads of the pair's suite, contrast and stream.
        candidates: the two nouns as written in the text, or None.
    Returns:
        The view; its first head is the most serious one of the audit.
    """
    rows = align_rows(detail, candidates)
    heads, labelled = _options(detail, findings)
    queries = _queries(detail)
    infos = [
        [attention_info(detail, rows, option.layer, option.head, query) for option in heads]
        for query in queries
    ]
    shown = infos[0][0]
    found = candidates if candidates and {1, 2} <= {row.candidate for row in rows} else None
    return AttentionView(
        info=shown,
        svg=attention_svg(shown),
        heads=heads,
        queries=tuple(_query_name(of_query[0]) for of_query in infos),
        candidates=found,
        looks=_looks(shown, found) if found else None,
        words_a=_words(shown, "a"),
        words_b=_words(shown, "b"),
        data=_data(infos, found),
        labelled=labelled,
    )


def looks_at(first: float, second: float, candidates: tuple[str, str]) -> str:
    """The candidate with clearly more attention; both alike, or neither where both have next to none."""
    if first + second < LOOKS_AT_NEITHER:
        return "neither"
    if max(first, second) < LOOKS_AT_ONE * (first + second):
        return "both alike"
    return candidates[0] if first > second else candidates[1]


def _options(detail: Detail, findings: Sequence[HeadFinding]) -> tuple[tuple[HeadOption, ...], bool]:
    layers, heads = detail.weights_a.shape[:2]
    there = [f for f in findings if f.layer < layers and f.head < heads]
    named = [f for f in by_importance(there) if f.label not in ("none", "unmeasured")]
    chosen = named or by_importance(there)[:1]
    if chosen:
        return tuple(HeadOption(f.layer, f.head, f.label) for f in chosen[:MOST_HEADS]), bool(named)
    # Without findings: the head whose aligned row differs most (total variation) for this very pair.
    a = [i for i, _ in detail.matches]
    b = [j for _, j in detail.matches]
    query = _queries(detail)[0]
    moved = np.abs(detail.weights_a[:, :, query][..., a] - detail.weights_b[:, :, query][..., b]).sum(axis=-1)
    layer, head = np.unravel_index(int(np.nan_to_num(moved).argmax()), moved.shape)
    return (HeadOption(int(layer), int(head), "unmeasured"),), False


def _queries(detail: Detail) -> tuple[int, ...]:
    """The swapped word's row first, then that of the last word, if it is another one."""
    swapped = [n for n, (a, b) in enumerate(detail.queries) if detail.words_a[a] != detail.words_b[b]]
    last = max(range(len(detail.queries)), key=lambda n: detail.queries[n])
    return tuple(dict.fromkeys((*swapped[-1:], last)))


def _query_name(info: AttentionInfo) -> str:
    if info.query_a == info.query_b:
        return f"the last word ({info.query_a})"
    return f"the swapped word ({info.query_a} / {info.query_b})"


def _looks(info: AttentionInfo, candidates: tuple[str, str]) -> tuple[Look, Look]:
    first, second = info.candidate_mass(1), info.candidate_mass(2)
    return (
        Look(info.query_a, first[0], second[0], looks_at(first[0], second[0], candidates)),
        Look(info.query_b, first[1], second[1], looks_at(first[1], second[1], candidates)),
    )


def _words(info: AttentionInfo, arm: str) -> tuple[Word, ...]:
    weights = info.weights_a if arm == "a" else info.weights_b
    both = (*info.weights_a[1:], *info.weights_b[1:])
    top = max((weight for weight in both if weight is not None), default=0.0) or 1.0
    words: list[Word] = []
    for i, (row, weight) in enumerate(zip(info.rows, weights, strict=True)):
        text = row.word_a if arm == "a" else row.word_b
        if text is None or weight is None:
            continue
        tint = None if i == 0 else min(TINTS, round(TINTS * weight / top))
        plain = text.strip()
        glued = _is_glued(words[-1].text if words else "", plain)
        words.append(Word(plain, i, tint, glued, named=plain[:1] + plain[-1:] in ("<>", "[]")))
    return tuple(words)


def _is_glued(before: str, word: str) -> bool:
    """Whether no space is set between two words: before a sign, and in scripts without spaces."""
    if not any(character.isalnum() or character == "<" for character in word):
        return True
    last = next((kind for kind in map(kind_of, reversed(before)) if kind != "mark"), "space")
    return kind_of(word[0]) == "unspaced" and last in ("unspaced", "sign")


def _data(infos: list[list[AttentionInfo]], candidates: tuple[str, str] | None) -> dict[str, Any]:
    """Attention in ten-thousandths, as ``[query][head] = [a, b]``: small, and exact enough to draw."""
    return {
        "candidates": candidates,
        "marks": [row.candidate for row in infos[0][0].rows],
        "queries": [[of_query[0].query_a, of_query[0].query_b] for of_query in infos],
        "weights": [
            [[_compact(info.weights_a), _compact(info.weights_b)] for info in of_query] for of_query in infos
        ],
    }


def _compact(weights: Sequence[float | None]) -> list[int | None]:
    return [None if weight is None else round(10_000 * weight) for weight in weights]
