"""Tokenises a text in which a place is masked, or which has two parts, whatever the tokenizer calls these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audit.errors import ModelError
from audit.pairs import MASK, SEP, Span


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a tokenizer made of a text.

    Args:
        ids: token ids.
        offsets: character span of each token in the text as the suite writes it, never empty; ``(0, 0)`` for
            special tokens.
        types: which part each token is of, where the text has two and the tokenizer tells; else empty.
    """

    ids: list[int]
    offsets: list[Span]
    types: tuple[int, ...] = ()


def tokenise(tokenizer: Any, text: str, *, special: bool) -> Tokens:
    """Tokenise a text, its markers ``[MASK]`` and `` [SEP] `` in the tokenizer's own way.

    Args:
        tokenizer: a fast tokenizer.
        text: as the suite writes it.
        special: whether the tokenizer adds its special tokens.
    Raises:
        ModelError: the tokenizer has no mask token, and the text a mask.
    """
    if MASK in text and tokenizer.mask_token is None:
        raise ModelError(f"the tokenizer has no mask token (got {text!r})")
    mask = tokenizer.mask_token or MASK
    parts = text.split(SEP, 1)
    found = tokenizer(
        *(part.replace(MASK, mask) for part in parts),
        add_special_tokens=special,
        return_offsets_mapping=True,
        truncation=False,
        verbose=False,
    )
    begins = [0, len(parts[0]) + len(SEP)]
    offsets = [
        (0, 0) if part is None else _in_suite(span, parts[part], begins[part], mask)
        for span, part in zip(found["offset_mapping"], found.sequence_ids(0), strict=True)
    ]
    types = tuple(found.get("token_type_ids", ())) if len(parts) == 2 else ()
    return Tokens(list(found["input_ids"]), offsets, types)


def _in_suite(span: Span, part: str, begin: int, mask: str) -> Span:
    """A span of a part with the tokenizer's mask → the same of the suite's text, with the marker."""
    start, end = _filled(span, part.replace(MASK, mask))
    return begin + _before_mask(start, part, mask), begin + _before_mask(end, part, mask)


def _filled(span: Span, part: str) -> Span:
    """The characters of a token; of one that was trimmed to nothing, the space that it stands for.

    A tokenizer that adds a space of its own in front has no character for it: it goes with the first one.
    """
    start, end = span
    if end > start or not part:
        return span
    before = start > 0 and (part[start - 1].isspace() or start == len(part))
    return (start - 1, start) if before else (start, start + 1)


def _before_mask(position: int, part: str, mask: str) -> int:
    """Where a character stood before every marker was replaced; within a mask, the marker's end."""
    at, moved = part.find(MASK), 0
    while at >= 0 and at + moved < position:
        if position <= at + moved + len(mask):
            return at + len(MASK)
        moved += len(mask) - len(MASK)
        at = part.find(MASK, at + len(MASK))
    return position - moved
