"""English pronouns of the third person, by gender."""

from __future__ import annotations

from typing import Literal

from audit.mentions import spans_of_words

Gender = Literal["female", "male", "neutral"]

PRONOUNS: dict[str, tuple[str, ...]] = {
    "female": ("she", "her", "hers", "herself"),
    "male": ("he", "him", "his", "himself"),
    "neutral": ("they", "them", "their", "theirs", "themselves", "themself"),
}


def pronouns_of(gender: str, text: str) -> tuple[str, ...]:
    """The pronouns of one gender in a text, as they are written there, in its order.

    >>> pronouns_of("female", "Her friend told the nurse that she was late.")
    ('Her', 'she')
    """
    words = (text[start:end] for start, end in spans_of_words(text))
    return tuple(word for word in words if word.casefold() in PRONOUNS[gender])
