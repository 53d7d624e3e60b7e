"""A still picture with two numbered axes: from values to places, and round numbers along the edges."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from markupsafe import Markup

from reports.figures.svg import LINE, MUTED, element
from reports.numbers import number

LEFT: Final = 56
RIGHT: Final = 14
TOP: Final = 10
BOTTOM: Final = 42


class Axes(NamedTuple):
    """Where values stand in a picture.

    Args:
        width, height: of the picture.
        x, y: ends of the axes, low before high.
    """

    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place of a value in the picture."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return (
            LEFT + across * (self.width - LEFT - RIGHT),
            self.height - BOTTOM - up * (self.height - TOP - BOTTOM),
        )


def around(values: Iterable[float]) -> tuple[float, float]:
    """Ends of an axis that show all values and 0, with some room.

    >>> around([1.0, 2.0])
    (-0.2, 2.2)
    """
    every = [0.0, *values]
    low, high = min(every), max(every)
    room = 0.1 * (high - low) or 0.5
    return low - room, high + room


def round_steps(ends: tuple[float, float], most: int = 6) -> list[float]:
    """Round numbers between two ends, 0 among them where it lies between.

    >>> round_steps((-0.2, 2.2))
    [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    least = (ends[1] - ends[0]) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))
    first, last = math.ceil(ends[0] / step - 1e-9), math.floor(ends[1] / step + 1e-9)
    return [float(f"{at * step:.10g}") for at in range(first, last + 1)]


def frame(axes: Axes, x: str, y: str) -> list[Markup]:
    """Draw lines and numbers, and the names of both axes."""
    text = {"font_size": 11, "fill": MUTED, "class_": "muted"}
    left, bottom = axes.at(axes.x[0], axes.y[0])
    right, top = axes.at(axes.x[1], axes.y[1])
    drawn = []
    steps_x, steps_y = round_steps(axes.x), round_steps(axes.y)
    for value in steps_x:
        place = axes.at(value, axes.y[0])[0]
        drawn.append(_line(place, top, place, bottom, zero=value == 0))
        drawn.append(
            element("text", _told(value, steps_x), x=place, y=bottom + 15, text_anchor="middle", **text)
        )
    for value in steps_y:
        place = axes.at(axes.x[0], value)[1]
        drawn.append(_line(left, place, right, place, zero=value == 0))
        drawn.append(
            element("text", _told(value, steps_y), x=left - 6, y=place + 4, text_anchor="end", **text)
        )
    middle = (top + bottom) / 2
    turn = f"rotate(-90 12 {middle:.1f})"
    names = [
        element("text", x, x=(left + right) / 2, y=bottom + 33, text_anchor="middle", **text),
        element("text", y, x=12, y=middle, text_anchor="middle", transform=turn, **text),
    ]
    return drawn + names


def _line(x1: float, y1: float, x2: float, y2: float, *, zero: bool) -> Markup:
    look = {"stroke": MUTED, "class_": "zero"} if zero else {"stroke": LINE, "class_": "axis"}
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke_width=1, **look)


def _told(value: float, steps: list[float]) -> str:
    """With as many decimals as the steps need."""
    gap = steps[1] - steps[0] if len(steps) > 1 else 1.0
    return number(value, max(0, -math.floor(math.log10(gap) + 1e-9)))
