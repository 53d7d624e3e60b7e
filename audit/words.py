"""The words of a text, and which tokens spell each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.characters import pieces
from audit.mentions import trimmed
from audit.pairs import Span
from audit.protocols import Encoding


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text and the tokens that spell it.

    Args:
        text: the characters; the token's own name for a special token.
        span: characters `[start, end)`.
        tokens: token indices in order; every token belongs to exactly one word.
        special: whether the tokenizer added it.
    """

    text: str
    span: Span
    tokens: tuple[int, ...]
    special: bool = False


def words(text: str, encoding: Encoding) -> tuple[Word, ...]:
    """Group tokens into words through their character offsets.

    Letters, digits and their marks make a word, every other sign is one of its own; words that one
    token covers together are one word, as are tokens that share a character. Where a script has no
    spaces, the tokens' own offsets are the words. A space before a word belongs to it, whether or not the
    tokenizer makes it a token of its own.

    >>> [w.text for w in words("Hi you.", Encoding((0, 1, 2, 3), ("Hi", " y", "ou", "."),
    ...                                            ((0, 2), (2, 4), (4, 6), (6, 7))))]
    ['Hi', 'you', '.']

    Args:
        text: what was tokenised.
        encoding: its tokens.
    Returns:
        Words in the order of their first tokens.
    """
    number = pieces(text)
    found: list[Word] = []
    last_piece = -1  # last piece of the text that the current word reaches into
    led: tuple[int, ...] = ()  # the space before the next word
    for token, offset in enumerate(encoding.offsets):
        if offset[0] >= offset[1]:
            found.append(Word(encoding.tokens[token], offset, (token,), special=True))
            last_piece = -1
            continue
        if _leads(text, encoding, token):
            led = (token,)
            continue
        span = trimmed(text, offset)
        word = Word(text[slice(*span)], span, (*led, token))
        if last_piece >= 0 and number[span[0]] <= last_piece and span[0] >= found[-1].span[0]:
            found[-1] = joined(text, (found[-1], word))
        else:
            found.append(word)
        last_piece, led = number[found[-1].span[1] - 1], ()
    return tuple(found)


def joined(text: str, parts: Sequence[Word]) -> Word:
    """One word of several that follow each other."""
    span = (min(part.span[0] for part in parts), max(part.span[1] for part in parts))
    return Word(text[slice(*span)], span, tuple(token for part in parts for token in part.tokens))


def _leads(text: str, encoding: Encoding, token: int) -> bool:
    """Whether a token is nothing but the one space before a word (``▁`` before a rare name)."""
    start, end = encoding.offsets[token]
    behind = encoding.offsets[token + 1 : token + 2] or ((0, 0),)
    return text[start:end] == " " and behind[0][0] == end < behind[0][1] and not text[end : end + 1].isspace()
