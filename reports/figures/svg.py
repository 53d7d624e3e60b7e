"""Writing SVG by hand: elements with escaped text, and colours that follow the page's theme.

Every coloured element gets a presentation attribute *and* a class. The attribute is what a reader sees
where style sheets are refused (a strict content security policy); the class follows the theme.
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup, escape

#: Steps on each side of zero on the diverging scale.
STEPS: Final = 6

#: Light theme, −6 … +6: blue over paper grey to orange; safe for the common kinds of colour blindness.
DIVERGING: Final = (
    "#0b4f9e",
    "#2a6fb8",
    "#5590cc",
    "#86b1dc",
    "#b3cfe9",
    "#d8e6f3",
    "#efeeea",
    "#fbe6d2",
    "#f8cda5",
    "#f0ad70",
    "#e08a3e",
    "#c56a17",
    "#9c4a00",
)

INK: Final = "#1d2127"
MUTED: Final = "#5b6470"
LINE: Final = "#d5d8dc"
CARD: Final = "#ffffff"
ARM_A: Final = "#a8520a"
ARM_B: Final = "#1f66b0"


def element(name: str, *children: object, **attributes: object) -> Markup:
    """Write one element; text is escaped, ``None`` attributes are left out.

    Args:
        name: tag name.
        children: text or markup.
        attributes: ``class_`` becomes ``class``; other underscores become hyphens.
    Returns:
        The element as safe markup.
    """
    # Plain strings, escaped once: a map has thousands of elements, and Markup.format is slow.
    parts = [
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    ]
    start = f"<{name}{''.join(parts)}"
    if not children:
        return Markup(f"{start}/>")
    return Markup(f"{start}>{''.join(map(escape, children))}</{name}>")


def picture(
    width: float, height: float, label: str, *children: object, class_: str = "", **attributes: object
) -> Markup:
    """Write a whole picture that shrinks with its column and names itself to screen readers."""
    return element(
        "svg",
        *children,
        xmlns="http://www.w3.org/2000/svg",
        class_=class_ or None,
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        width=width,
        height=height,
        role="img",
        aria_label=label,
        font_family="system-ui, sans-serif",
        **attributes,
    )


def step(value: float, limit: float) -> int:
    """Quantise a value on the diverging scale.

    Args:
        value: any finite number.
        limit: what the ends of the scale stand for, > 0; larger values are clipped to the ends.
    Returns:
        −``STEPS`` … ``STEPS``; 0 for zero.
    """
    if limit <= 0:
        return 0
    return max(-STEPS, min(STEPS, round(STEPS * value / limit)))


def step_class(index: int) -> str:
    """Class name of a step of the diverging scale: ``n6`` … ``z0`` … ``p6``."""
    return f"{'p' if index > 0 else 'n' if index < 0 else 'z'}{abs(index)}"


def step_colour(index: int) -> str:
    """Colour of a step in the light theme."""
    return DIVERGING[index + STEPS]


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value) if isinstance(value, int) else escape(value)
