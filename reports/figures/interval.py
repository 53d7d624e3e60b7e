"""An estimate with its interval on an axis, and the threshold or the zero that it is judged against."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from markupsafe import Markup

from audit.results import Estimate
from reports.figures.svg import INK, LINE, MUTED, element, picture
from reports.numbers import MINUS, defined

HEIGHT: Final = 26
MARGIN: Final = 8


class IntervalInfo(NamedTuple):
    """What the picture shows, all in the measure's own unit.

    Args:
        estimate: the point; None where it was not measured.
        low, high: the interval; None where unknown.
        start, end: the axis; ``start < end``.
        threshold: a limit to draw; values beyond it (or beyond its negative) are shaded.
        two_sided: whether the limit holds for the absolute value.
        neutral: the value that means no difference, if there is one.
    """

    estimate: float | None
    low: float | None
    high: float | None
    start: float
    end: float
    threshold: float | None = None
    two_sided: bool = False
    neutral: float | None = 0.0


def axis_of(estimates: Iterable[Estimate], *, also: Iterable[float] = (0.0,)) -> tuple[float, float]:
    """Find an axis that shows all estimates, their intervals and some further values, with a margin.

    Args:
        estimates: what will be drawn on the axis.
        also: values that must be visible, such as 0 or a threshold.
    Returns:
        ``(start, end)`` with ``start < end``.
    """
    values = list(also)
    for estimate in estimates:
        ends = (estimate.estimate, estimate.ci_low, estimate.ci_high)
        values += [value for value in ends if defined(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:
        return (low - 0.5, high + 0.5) if low else (0.0, 1.0)
    room = 0.08 * (high - low)
    return (low if low == 0 else low - room, high if high == 0 else high + room)


def interval_info(
    estimate: Estimate,
    axis: tuple[float, float],
    threshold: float | None = None,
    *,
    two_sided: bool = False,
    neutral: float | None = 0.0,
) -> IntervalInfo:
    """Collect what is drawn for one estimate on a given axis.

    Args:
        estimate: the estimate.
        axis: ``(start, end)``, shared by all rows that are compared.
        threshold: a limit, where there is one.
        two_sided: whether the limit holds for the absolute value.
        neutral: the value that means no difference, if there is one.
    Returns:
        The picture's content; NaN has become None.
    """
    point, low, high = (
        value if defined(value) else None for value in (estimate.estimate, estimate.ci_low, estimate.ci_high)
    )
    return IntervalInfo(point, low, high, *axis, threshold, two_sided, neutral)


def interval_svg(info: IntervalInfo, width: int = 220) -> Markup:
    """Draw the axis, the interval as a bar, the estimate as a dot, and the limit as a dashed line.

    Args:
        info: the picture's content.
        width: in pixels.
    Returns:
        A standalone SVG without text; the numbers stand beside it in the page.
    """
    middle = HEIGHT / 2
    drawn = [
        *_beyond(info, width),
        element("line", x1=0, x2=width, y1=middle, y2=middle, stroke=LINE, stroke_width=1, class_="axis"),
        *_zero(info, width),
        *_limits(info, width),
        *_estimate(info, width),
    ]
    return picture(width, HEIGHT, _label(info), *drawn, class_="interval")


def _x(info: IntervalInfo, width: int, value: float) -> float:
    share = (value - info.start) / (info.end - info.start)
    return MARGIN + min(1.0, max(0.0, share)) * (width - 2 * MARGIN)


def _limits_of(info: IntervalInfo) -> list[float]:
    if info.threshold is None:
        return []
    return [info.threshold, -info.threshold] if info.two_sided and info.threshold else [info.threshold]


def _beyond(info: IntervalInfo, width: int) -> list[Markup]:
    drawn = []
    for limit in _limits_of(info):
        left, right = (limit, info.end) if limit >= 0 and limit == info.threshold else (info.start, limit)
        x1, x2 = _x(info, width, left), _x(info, width, right)
        if x2 > x1:
            drawn.append(
                element("rect", x=x1, y=2, width=x2 - x1, height=HEIGHT - 4, fill="#fbe9e7", class_="beyond")
            )
    return drawn


def _limits(info: IntervalInfo, width: int) -> list[Markup]:
    return [
        element(
            "line",
            x1=_x(info, width, limit),
            x2=_x(info, width, limit),
            y1=1,
            y2=HEIGHT - 1,
            stroke="#b3261e",
            stroke_width=1.5,
            stroke_dasharray="3 2",
            class_="limit",
        )
        for limit in _limits_of(info)
        if info.start <= limit <= info.end
    ]


def _zero(info: IntervalInfo, width: int) -> list[Markup]:
    if info.neutral is None or not info.start <= info.neutral <= info.end:
        return []
    x = _x(info, width, info.neutral)
    return [element("line", x1=x, x2=x, y1=5, y2=HEIGHT - 5, stroke=MUTED, stroke_width=1, class_="zero")]


def _estimate(info: IntervalInfo, width: int) -> list[Markup]:
    drawn = []
    middle = HEIGHT / 2
    if info.low is not None and info.high is not None:
        x1, x2 = _x(info, width, info.low), _x(info, width, info.high)
        drawn.append(
            element(
                "rect",
                x=x1,
                y=middle - 2.5,
                width=max(1.0, x2 - x1),
                height=5,
                rx=2.5,
                fill=MUTED,
                class_="bar",
            )
        )
    if info.estimate is not None:
        x = _x(info, width, info.estimate)
        drawn.append(element("circle", cx=x, cy=middle, r=5, fill=INK, class_="dot"))
    return drawn


def _label(info: IntervalInfo) -> str:
    if info.estimate is None:
        return "not measured"
    text = f"estimate {info.estimate:.3g}"
    if info.low is not None and info.high is not None:
        text += f", interval {info.low:.3g} to {info.high:.3g}"
    if info.threshold is not None:
        text += f", limit {'±' if info.two_sided else ''}{info.threshold:.3g}"
    return text.replace("-", MINUS)
