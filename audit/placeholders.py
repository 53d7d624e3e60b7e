"""Texts with slots: ``The {occupation.1} asked …``, and where each slot ends up."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from string import Formatter

from audit.pairs import Span

_ITEM_SLOT = re.compile(r"(?P<list>[^.]+)\.(?P<member>[1-9][0-9]?)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a template: plain text, or the name of a slot."""

    text: str
    is_slot: bool


@dataclass(frozen=True, slots=True)
class Rendered:
    """A filled template.

    Args:
        text: the text.
        spans: ``(slot, [start, end))`` of every slot, in the order of the text.
    """

    text: str
    spans: tuple[tuple[str, Span], ...]

    def of(self, slot: str) -> tuple[Span, ...]:
        """All places where a slot was filled in."""
        return tuple(span for name, span in self.spans if name == slot)


@dataclass(frozen=True, slots=True)
class ItemSlot:
    """A slot that an item fills: the k-th member (from 1), a word of a list."""

    list: str
    member: int


def parse(template: str) -> tuple[Piece, ...]:
    """Split a template into plain text and slots; ``{{`` and ``}}`` stand for braces.

    Raises:
        ValueError: a brace is not closed, or a slot has no name or a format.
    """
    pieces = []
    for literal, slot, specification, conversion in Formatter().parse(template):
        if literal:
            pieces.append(Piece(literal, is_slot=False))
        if slot is None:
            continue
        if not slot or slot != slot.strip() or specification or conversion:
            raise ValueError("a slot is not a plain name in braces, such as {pronoun} or {occupation.1}")
        pieces.append(Piece(slot, is_slot=True))
    return tuple(pieces)


def slots(pieces: tuple[Piece, ...]) -> tuple[str, ...]:
    """Names of the slots, each once, in the order of the text."""
    return tuple(dict.fromkeys(piece.text for piece in pieces if piece.is_slot))


def item_slot(slot: str) -> ItemSlot | None:
    """Read ``occupation.1`` as a slot that an item fills; None for any other slot."""
    match = _ITEM_SLOT.fullmatch(slot)
    return ItemSlot(match["list"], int(match["member"])) if match else None


def render(pieces: tuple[Piece, ...], value: Callable[[str], str]) -> Rendered:
    """Fill a template.

    Args:
        pieces: the parsed template.
        value: slot → what to write; its errors pass through.
    """
    text, spans = "", []
    for piece in pieces:
        words = value(piece.text) if piece.is_slot else piece.text
        if piece.is_slot:
            spans.append((piece.text, (len(text), len(text) + len(words))))
        text += words
    return Rendered(text, tuple(spans))
