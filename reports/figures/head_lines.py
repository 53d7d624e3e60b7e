"""One head's attention as lines from the words that look to the words looked at: two texts, and the difference."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from markupsafe import Markup

from audit.results.visible import visible
from reports.figures.svg import ARM_A, ARM_B, INK, element, picture
from reports.folder import Detail

ROW: Final = 22
TOP: Final = 6
WORDS: Final = 92
GAP: Final = 120
WIDTH: Final = 2 * WORDS + GAP
LONGEST: Final = 12
#: Weights below this draw no line.
FAINT: Final = 0.02


class Line(NamedTuple):
    """A line between two words; ``weight`` is −1 to 1, negative where text b has more."""

    query: int
    key: int
    weight: float


class LinesInfo(NamedTuple):
    """What one picture shows.

    Args:
        queries, keys: words on the left and on the right.
        lines: between them.
    """

    queries: tuple[str, ...]
    keys: tuple[str, ...]
    lines: tuple[Line, ...]


class HeadLinesInfo(NamedTuple):
    """The three pictures of a head, on one scale."""

    layer: int
    head: int
    a: LinesInfo
    b: LinesInfo
    difference: LinesInfo

    @property
    def top(self) -> float:
        """The largest weight that is drawn; 1 where none is."""
        sizes = [abs(line.weight) for part in (self.a, self.b, self.difference) for line in part.lines]
        return max(sizes, default=1.0)


def head_lines_info(detail: Detail, layer: int, head: int, *, skip_first: bool = True) -> HeadLinesInfo:
    """Collect one head's lines between words.

    Args:
        detail: the pair's kept attention.
        layer, head: which head.
        skip_first: whether lines to the first word, where a decoder's idle heads look, are left out.
    """
    first = int(skip_first)
    a, b = detail.weights_a[layer, head], detail.weights_b[layer, head]
    rows = [i for i, _ in detail.queries], [j for _, j in detail.queries]
    columns = [i for i, _ in detail.matches], [j for _, j in detail.matches]
    words = detail.words_a, detail.words_b
    names = tuple(_both(words[0][i], words[1][j]) for i, j in detail.matches)
    looking = tuple(_both(words[0][i], words[1][j]) for i, j in detail.queries)
    return HeadLinesInfo(
        layer,
        head,
        LinesInfo(tuple(words[0][i] for i in rows[0]), words[0], _lines(a, first)),
        LinesInfo(tuple(words[1][j] for j in rows[1]), words[1], _lines(b, first)),
        LinesInfo(looking, names, _lines(a[:, columns[0]] - b[:, columns[1]], first)),
    )


def head_lines_svg(info: HeadLinesInfo, arms: tuple[str, str]) -> tuple[Markup, Markup, Markup]:
    """Draw the lines of text a, text b and of their difference; the darkest line is the largest weight.

    Args:
        info: the pictures' content.
        arms: what the texts are called.
    """
    head = f"Attention of head {info.layer}-{info.head}"
    return (
        _svg(info.a, f"{head}: {arms[0]}", info.top, ("a", "a")),
        _svg(info.b, f"{head}: {arms[1]}", info.top, ("b", "b")),
        _svg(info.difference, f"{head}: {arms[0]} less {arms[1]}", info.top, ("a", "b")),
    )


def _both(a: str, b: str) -> str:
    return a if a == b else f"{a} / {b}"


def _lines(weights: np.ndarray, first: int) -> tuple[Line, ...]:
    return tuple(
        Line(int(i), int(j), round(float(weights[i, j]), 4))
        for i, j in np.argwhere(np.abs(np.nan_to_num(weights)) >= FAINT)
        if j >= first
    )


def _svg(info: LinesInfo, label: str, top: float, arms: tuple[str, str]) -> Markup:
    height = 2 * TOP + ROW * max(len(info.queries), len(info.keys))
    drawn = [_line(line, top, arms[line.weight < 0]) for line in info.lines]
    drawn += [_word(word, n, WORDS - 6, "end") for n, word in enumerate(info.queries)]
    drawn += [_word(word, n, WORDS + GAP + 6, "start") for n, word in enumerate(info.keys)]
    return picture(WIDTH, height, label, *drawn, class_="head-lines")


def _line(line: Line, top: float, arm: str) -> Markup:
    return element(
        "line",
        x1=WORDS,
        x2=WORDS + GAP,
        y1=_middle(line.query),
        y2=_middle(line.key),
        stroke=ARM_A if arm == "a" else ARM_B,
        stroke_width=2,
        stroke_opacity=max(0.01, abs(line.weight) / top),
        class_=f"line-{arm}",
    )


def _word(word: str, number: int, x: float, anchor: str) -> Markup:
    whole = visible(word.strip())
    name = whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"
    return element(
        "text",
        name,
        element("title", whole),
        x=x,
        y=_middle(number) + 4,
        text_anchor=anchor,
        font_size=12,
        fill=INK,
        class_="ink",
    )


def _middle(number: int) -> float:
    return TOP + ROW * number + ROW / 2
