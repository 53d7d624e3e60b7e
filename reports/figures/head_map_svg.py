"""The layer × head map as a static picture that needs no script: the figure of record."""

from __future__ import annotations

import zlib
from typing import Final

from markupsafe import Markup

from reports.figures.head_map import HeadMapInfo
from reports.figures.svg import (
    DIVERGING,
    INK,
    LINE,
    MUTED,
    STEPS,
    element,
    picture,
    step,
    step_class,
    step_colour,
)
from reports.numbers import number

LEFT: Final = 34
RIGHT: Final = 46
TOP: Final = 22
LEGEND: Final = 50


def head_map_svg(info: HeadMapInfo) -> Markup:
    """Draw the map: a cell per head, hatched where unmeasured, flagged heads outlined and named.

    Args:
        info: the map's content.
    Returns:
        A standalone SVG; empty when there are no heads.
    """
    if not info.cells:
        return Markup("")
    size = _cell_size(info)
    width = LEFT + info.heads * size[0] + RIGHT
    height = TOP + info.layers * size[1] + LEGEND
    pattern = f"hatch-{_fingerprint(info):x}"
    return picture(
        width,
        height,
        info.label,
        _hatch(pattern),
        *_axes(info, size),
        *_cells(info, size, pattern),
        *_marks(info, size),
        _legend(info, TOP + info.layers * size[1] + 18, pattern, info.heads * size[0]),
        class_="head-map",
    )


def _fingerprint(info: HeadMapInfo) -> int:
    """A number that tells maps on one page apart, the same in every run."""
    return zlib.crc32(repr((info.measure, info.limit, info.cells)).encode())


def _cell_size(info: HeadMapInfo) -> tuple[float, float]:
    return max(7.0, min(18.0, 216 / info.heads)), max(7.0, min(16.0, 460 / info.layers))


def _ticks(count: int, room: float) -> range:
    """Every 1st, 2nd, 5th, 10th … index, so that labels of 13 px have room."""
    every = next(s for s in (1, 2, 5, 10, 20, 50, 100, count) if s * room >= 13 or s >= count)
    return range(0, count, every)


def _axes(info: HeadMapInfo, size: tuple[float, float]) -> list[Markup]:
    style = {"font_size": 10, "fill": MUTED, "class_": "muted"}
    layers = [
        element("text", i, x=LEFT - 6, y=TOP + (i + 0.5) * size[1] + 3.5, text_anchor="end", **style)
        for i in _ticks(info.layers, size[1])
    ]
    heads = [
        element("text", i, x=LEFT + (i + 0.5) * size[0], y=TOP - 6, text_anchor="middle", **style)
        for i in _ticks(info.heads, size[0])
    ]
    middle = TOP + info.layers * size[1] / 2
    turn = f"rotate(-90 9 {middle:.1f})"
    names = [
        element("text", "layer", x=9, y=middle, text_anchor="middle", transform=turn, **style),
        element("text", "head", x=LEFT - 6, y=TOP - 6, text_anchor="end", **style),
    ]
    return layers + heads + names


def _cells(info: HeadMapInfo, size: tuple[float, float], pattern: str) -> list[Markup]:
    drawn = []
    for layer, row in enumerate(info.grid()):
        for head, cell in enumerate(row):
            place = {
                "x": LEFT + head * size[0] + 0.5,
                "y": TOP + layer * size[1] + 0.5,
                "width": size[0] - 1,
                "height": size[1] - 1,
            }
            if cell is None or cell.value is None:
                title = cell.title if cell else f"Layer {layer}, head {head}: not measured"
                drawn.append(
                    element("rect", element("title", title), fill=f"url(#{pattern})", class_="gap", **place)
                )
            else:
                index = step(cell.value, info.limit)
                drawn.append(
                    element(
                        "rect",
                        element("title", cell.title),
                        fill=step_colour(index),
                        class_=step_class(index),
                        **place,
                    )
                )
    return drawn


def _marks(info: HeadMapInfo, size: tuple[float, float]) -> list[Markup]:
    """Outline flagged heads and write their names beside the row, where they never cover a colour."""
    drawn: list[Markup] = []
    rows: dict[int, list[int]] = {}
    for cell in info.cells:
        if not cell.flagged:
            continue
        rows.setdefault(cell.layer, []).append(cell.head)
        drawn.append(
            element(
                "rect",
                x=LEFT + cell.head * size[0],
                y=TOP + cell.layer * size[1],
                width=size[0],
                height=size[1],
                rx=2,
                fill="none",
                stroke=INK,
                stroke_width=2,
                class_="outline",
            )
        )
    edge = LEFT + info.heads * size[0]
    for layer, heads in sorted(rows.items()):
        y = TOP + (layer + 0.5) * size[1] + 3.5
        name = f"{layer}-{','.join(map(str, sorted(heads)))}"
        drawn.append(
            element("text", name, x=edge + 6, y=y, font_size=11, font_weight=600, fill=INK, class_="ink")
        )
    return drawn


def _hatch(pattern: str) -> Markup:
    line = element("path", d="M0 5L5 0", stroke=LINE, stroke_width=1, class_="hatch")
    return element(
        "defs", element("pattern", line, id=pattern, width=5, height=5, patternUnits="userSpaceOnUse")
    )


def scale_svg(limit: float) -> Markup:
    """Draw the colour scale of a map alone, for the page's legend.

    Args:
        limit: value at its ends.
    """
    size, digits = 13, 2 if limit >= 0.1 else 3
    end = size * len(DIVERGING)
    style = {"y": 24, "font_size": 11, "fill": MUTED, "class_": "muted"}
    ends = [
        element("text", number(-limit, digits), x=0, **style),
        element("text", "0", x=end / 2, text_anchor="middle", **style),
        element("text", number(limit, digits, signed=True), x=end, text_anchor="end", **style),
    ]
    label = f"Colours from {number(-limit, digits)}, blue, to {number(limit, digits, signed=True)}, orange"
    return picture(end, 28, label, *_swatches(0, 0, size), *ends)


def _swatches(left: float, y: float, size: float) -> list[Markup]:
    return [
        element(
            "rect",
            x=left + i * size,
            y=y,
            width=size,
            height=8,
            fill=colour,
            class_=step_class(i - STEPS),
        )
        for i, colour in enumerate(DIVERGING)
    ]


def _legend(info: HeadMapInfo, y: float, pattern: str, room: float) -> Markup:
    size = min(room, 13 * 12) / len(DIVERGING)
    swatches = _swatches(LEFT, y, size)
    end = LEFT + len(DIVERGING) * size
    style = {"y": y + 21, "font_size": 10, "fill": MUTED, "class_": "muted"}
    digits = 2 if info.limit >= 0.1 else 3
    texts = [
        element("text", number(-info.limit, digits), x=LEFT, **style),
        element("text", "0", x=(LEFT + end) / 2, text_anchor="middle", **style),
        element("text", number(info.limit, digits, signed=True), x=end, text_anchor="end", **style),
        element("text", "no data", x=end + 10, **style),
    ]
    gap = element("rect", x=end + 10, y=y, width=14, height=8, fill=f"url(#{pattern})", class_="gap")
    return element("g", *swatches, gap, *texts)
