"""Tokenises a text in which a place is masked, or which has two parts, whatever the tokenizer calls these."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    marker, mask = _marker(tokenizer) if MASK in text else re.escape(MASK), tokenizer.mask_token or MASK
    parts = text.split(SEP, 1)
    read = [re.sub(marker, lambda _: mask, part) for part in parts]
    found = tokenizer(
        *read,
        add_special_tokens=special,
        return_offsets_mapping=True,
        truncation=False,
        verbose=False,
    )
    begins = [0, len(parts[0]) + len(SEP)]
    places = [_places(part, begin, marker, mask) for part, begin in zip(parts, begins, strict=False)]
    offsets = [
        (0, 0) if part is None else _in_suite(span, read[part], places[part])
        for span, part in zip(found["offset_mapping"], found.sequence_ids(0), strict=True)
    ]
    types = tuple(found.get("token_type_ids", ())) if len(parts) == 2 else ()
    return Tokens(list(found["input_ids"]), offsets, types)


def _marker(tokenizer: Any) -> str:
    """What the mask token replaces: the marker, and the space before it where that would become a token."""
    apart, glued = (tokenizer(f"a{gap}{tokenizer.mask_token}", add_special_tokens=False) for gap in (" ", ""))
    spare = len(apart["input_ids"]) > len(glued["input_ids"])
    return f"{' ?' if spare else ''}{re.escape(MASK)}"


def _places(part: str, begin: int, marker: str, mask: str) -> list[int]:
    """Where each character of a tokenised part, and its end, lie in the suite's text."""
    places: list[int] = []
    for piece in re.split(f"({marker})", part):
        marked = re.fullmatch(marker, piece) is not None
        places += [begin] * len(mask) if marked else range(begin, begin + len(piece))
        begin += len(piece)
    return [*places, begin]


def _in_suite(span: Span, part: str, places: Sequence[int]) -> Span:
    """A token's span in a part as it was tokenised → the same in the suite's text."""
    start, end = _filled(span, part)
    return places[start], places[end]


def _filled(span: Span, part: str) -> Span:
    """The characters of a token; of one that was trimmed to nothing, the space that it stands for.

    A tokenizer that adds a space of its own in front has no character for it: it goes with the first one.
    """
    start, end = span
    if end > start or not part:
        return span
    before = start > 0 and (part[start - 1].isspace() or start == len(part))
    return (start - 1, start) if before else (start, start + 1)
