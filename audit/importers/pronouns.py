"""English pronouns of the third person, by gender."""

from __future__ import annotations

import re

from audit.mentions import spans_of_words

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


_SWAPS = {
    "she": "he",
    "he": "she",
    "him": "her",
    "his": "her",
    "hers": "his",
    "herself": "himself",
    "himself": "herself",
}
#: What follows *her* only where it stands for a person, and not for what she has.
_AFTER_PERSON = re.compile(
    r"a|about|and|any|as|at|because|before|but|for|from|how|if|in|into|of|on|or|several|so|some|that|the|to|when|"
    r"where|with|without"
)


def gender_of(pronoun: str) -> str | None:
    """``female`` or ``male``; None for any other word."""
    return next((g for g in ("female", "male") if pronoun.casefold() in PRONOUNS[g]), None)


def swapped_pronoun(pronoun: str, following: str) -> str | None:
    """The same pronoun of the other gender; None where *her* may be *him* or *his*.

    >>> swapped_pronoun("her", "for"), swapped_pronoun("her", "idea"), swapped_pronoun("She", "was")
    ('him', None, 'He')

    Args:
        pronoun: of the third person singular, female or male.
        following: the next word or mark of the text; empty at its end.
    """
    word = pronoun.casefold()
    other = _SWAPS.get(word)
    if word == "her" and (not following[:1].isalpha() or _AFTER_PERSON.fullmatch(following.casefold())):
        other = "him"
    return other.capitalize() if other and pronoun[0].isupper() else other
