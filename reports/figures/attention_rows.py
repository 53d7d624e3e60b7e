"""Attention of one head from one word to every other, in both texts of a pair, and the difference."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from audit.results.visible import visible
from reports.figures.svg import ARM_A, ARM_B, INK, LINE, MUTED, element, picture
from reports.folder import Detail
from reports.numbers import number

ROW: Final = 30
TOP: Final = 26
WORDS: Final = 104
BAR: Final = 92
HALF: Final = 38
MIDDLE: Final = WORDS + BAR + 40 + HALF
WIDTH: Final = MIDDLE + HALF + 46
LONGEST: Final = 14


class WordRow(NamedTuple):
    """One aligned word; a side is None where the word has no partner in that text.

    Args:
        word_a, word_b: the word in each text.
        index_a, index_b: its place among the words of each text.
        candidate: 1 or 2 for the words of a candidate, else 0.
    """

    word_a: str | None
    word_b: str | None
    index_a: int | None
    index_b: int | None
    candidate: int

    @property
    def name(self) -> str:
        """How the row is called: both words where they differ."""
        if self.word_a == self.word_b or self.word_b is None:
            return self.word_a or ""
        return self.word_b if self.word_a is None else f"{self.word_a} / {self.word_b}"


class AttentionInfo(NamedTuple):
    """What the picture shows.

    Args:
        layer, head: the head.
        query_a, query_b: the word that looks, in each text.
        rows: every word, in the order of text a.
        weights_a, weights_b: attention per row, 0 to 1; None where the text lacks the word.
    """

    layer: int
    head: int
    query_a: str
    query_b: str
    rows: tuple[WordRow, ...]
    weights_a: tuple[float | None, ...]
    weights_b: tuple[float | None, ...]

    @property
    def differences(self) -> tuple[float | None, ...]:
        """Weight in text a minus weight in text b; None where one text lacks the word."""
        pairs = zip(self.weights_a, self.weights_b, strict=True)
        return tuple(None if a is None or b is None else a - b for a, b in pairs)

    def candidate_mass(self, candidate: int) -> tuple[float, float]:
        """Attention on a candidate's words in text a and in text b."""
        chosen = [i for i, row in enumerate(self.rows) if row.candidate == candidate]
        return (
            sum(self.weights_a[i] or 0.0 for i in chosen),
            sum(self.weights_b[i] or 0.0 for i in chosen),
        )


def align_rows(detail: Detail, candidates: tuple[str, str] | None) -> tuple[WordRow, ...]:
    """Lay the words of both texts side by side.

    Args:
        detail: the pair's kept attention.
        candidates: the two nouns as written in the text, or None.
    Returns:
        Aligned words and, at their place in text a (those of text b after them), the unaligned ones.
    """
    partner = dict(detail.matches)
    taken = set(partner.values())
    both = candidates and (candidates, candidates[::-1])
    marks = [_places(detail.words_a, name, other) for name, other in both or ()]
    rows, done = [], 0
    for i, word in enumerate(detail.words_a):
        j = partner.get(i)
        if j is not None:
            rows += [WordRow(None, detail.words_b[k], None, k, 0) for k in range(done, j) if k not in taken]
            done = j + 1
        candidate = next((n for n, places in enumerate(marks, 1) if i in places), 0)
        rows.append(WordRow(word, None if j is None else detail.words_b[j], i, j, candidate))
    rest = range(done, len(detail.words_b))
    return (*rows, *(WordRow(None, detail.words_b[k], None, k, 0) for k in rest if k not in taken))


def attention_info(
    detail: Detail, rows: tuple[WordRow, ...], layer: int, head: int, query: int
) -> AttentionInfo:
    """Collect one head's attention from one query word.

    Args:
        detail: the pair's kept attention.
        rows: from ``align_rows``.
        layer, head: which head.
        query: index into ``detail.queries``.
    Returns:
        The picture's content.
    """
    a, b = detail.weights_a[layer, head, query], detail.weights_b[layer, head, query]
    query_a, query_b = detail.queries[query]
    return AttentionInfo(
        layer,
        head,
        detail.words_a[query_a],
        detail.words_b[query_b],
        rows,
        tuple(None if row.index_a is None else _rounded(a[row.index_a]) for row in rows),
        tuple(None if row.index_b is None else _rounded(b[row.index_b]) for row in rows),
    )


def attention_svg(info: AttentionInfo) -> Markup:
    """Draw a row per word: a bar for each text on a common scale, then the difference about zero.

    The classes ``a``, ``b``, ``d`` and the row numbers let the page redraw the bars for another head.

    Args:
        info: the picture's content.
    Returns:
        A standalone SVG.
    """
    height = TOP + ROW * len(info.rows) + 6
    top = max((w for w in (*info.weights_a, *info.weights_b) if w is not None), default=0.0) or 1.0
    widest = max((abs(d) for d in info.differences if d is not None), default=0.0) or 1.0
    drawn = [*_header(info), *_grid(height)]
    for i, row in enumerate(info.rows):
        y = TOP + ROW * i
        drawn.append(_word(row, y))
        drawn += _bar("a", i, info.weights_a[i], top, y + 3)
        drawn += _bar("b", i, info.weights_b[i], top, y + 15)
        drawn += _difference(i, info.differences[i], widest, y)
    label = f"Attention of head {info.layer}-{info.head} from {info.query_a} and {info.query_b} to every word"
    geometry = {"data_words": WORDS, "data_bar": BAR, "data_half": HALF, "data_middle": MIDDLE}
    return picture(WIDTH, height, label, *drawn, class_="attention", **geometry)


def _rounded(weight: float) -> float | None:
    """Four decimals: what the page carries for its script, so that both draw from the same numbers."""
    return None if math.isnan(weight) else round(float(weight), 4)


def _places(words: Sequence[str], name: str, other: str) -> set[int]:
    """Indices of the words that spell the candidate, ignoring case and a possessive ending."""
    part = _letters(name) in _letters(other) and _letters(name) != _letters(other)
    longer = set().union(*_runs(words, other)) if part else set()
    runs = [run for run in _runs(words, name) if not run <= longer]
    return runs[0] if runs else set()


def _runs(words: Sequence[str], name: str) -> list[set[int]]:
    """All places where words that follow each other spell a name."""
    spelled, wanted = [_letters(word) for word in words], _letters(name)
    plain = ["".join(re.findall(r"\w+", word)[:1]).casefold() for word in words]
    found = []
    for start, first in enumerate(spelled):
        if not wanted or not first:
            continue
        for end in range(start + 1, len(words) + 1):
            before = "".join(spelled[start : end - 1])
            if wanted in (before + spelled[end - 1], before + plain[end - 1]) and spelled[end - 1]:
                found.append({*range(start, end)})
            if len(before) >= len(wanted):
                break
    return found


def _letters(words: str) -> str:
    return "".join(re.findall(r"\w+", words)).casefold()


def _header(info: AttentionInfo) -> list[Markup]:
    style = {"font_size": 11, "y": 14}
    return [
        element("text", "to", x=WORDS - 8, text_anchor="end", fill=MUTED, class_="muted", **style),
        element("text", "attention", x=WORDS, fill=MUTED, class_="muted", **style),
        element("text", "difference", x=MIDDLE, text_anchor="middle", fill=MUTED, class_="muted", **style),
    ]


def _grid(height: float) -> list[Markup]:
    return [
        element("line", x1=x, x2=x, y1=TOP - 4, y2=height - 4, stroke=LINE, stroke_width=1, class_="axis")
        for x in (WORDS, MIDDLE)
    ]


def _word(row: WordRow, y: float) -> Markup:
    whole = visible(row.name)
    name = whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"
    return element(
        "text",
        name,
        element("title", whole),
        x=WORDS - 8,
        y=y + 17,
        text_anchor="end",
        font_size=13,
        font_weight=650 if row.candidate else None,
        fill=INK,
        class_="ink",
    )


def _bar(arm: str, row: int, weight: float | None, top: float, y: float) -> list[Markup]:
    width = 0.0 if weight is None else BAR * weight / top
    text = "" if weight is None else number(weight, 2)
    return [
        element(
            "rect",
            x=WORDS,
            y=y,
            width=width,
            height=9,
            fill=ARM_A if arm == "a" else ARM_B,
            class_=f"arm-{arm}",
            data_bar=f"{arm}{row}",
        ),
        element(
            "text",
            text,
            x=WORDS + width + 5,
            y=y + 8,
            font_size=10,
            fill=MUTED,
            class_="muted",
            data_text=f"{arm}{row}",
        ),
    ]


def _difference(row: int, value: float | None, widest: float, y: float) -> list[Markup]:
    width = 0.0 if value is None else HALF * abs(value) / widest
    more_a = value is not None and value >= 0
    return [
        element(
            "rect",
            x=MIDDLE if more_a else MIDDLE - width,
            y=y + 8,
            width=width,
            height=11,
            fill=ARM_A if more_a else ARM_B,
            class_="arm-a" if more_a else "arm-b",
            data_bar=f"d{row}",
        ),
        element(
            "text",
            number(value, 2, signed=True),
            x=WIDTH - 2,
            y=y + 17,
            text_anchor="end",
            font_size=11,
            fill=INK,
            class_="ink",
            data_text=f"d{row}",
        ),
    ]
