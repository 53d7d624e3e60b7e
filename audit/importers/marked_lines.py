"""Lines such as ``1 [The developer] argued with the designer because [he] …``: a person and pronouns in brackets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from audit.errors import Fault
from audit.importers.imported import Line
from audit.importers.pronouns import gender_of, swapped_pronoun
from audit.mentions import spans_of_words
from audit.validate import shown

_NUMBERED = re.compile(r"\s*\d+\s+(?P<text>\S.*)")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_ARTICLE = re.compile(r"(?:the|a|an) ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A sentence without its brackets.

    Args:
        text: the sentence.
        person: whom the pronouns stand for, without the article.
        pronoun: the first of the pronouns in brackets.
        places: where the pronouns in brackets begin.
    """

    text: str
    person: str
    pronoun: str
    places: tuple[int, ...]

    def differs_in_pronouns(self, other: MarkedText) -> bool:
        """Whether the two are one sentence but for pronouns of the other gender."""
        one, two = (
            [text.text[start:end] for start, end in spans_of_words(text.text)] for text in (self, other)
        )
        if len(one) != len(two) or self.person != other.person:
            return False
        genders = [(gender_of(a), gender_of(b)) for a, b in zip(one, two, strict=True) if a != b]
        return bool(genders) and all(set(pair) == {"female", "male"} for pair in genders)

    def swapped(self) -> MarkedText | None:
        """The same sentence with its pronouns of the other gender; None where one may be either of two."""
        words = spans_of_words(self.text)
        text, first = self.text, self.pronoun
        for number in reversed(range(len(words))):
            start, end = words[number]
            if start not in self.places:
                continue
            following = self.text[slice(*words[number + 1])] if number + 1 < len(words) else ""
            other = swapped_pronoun(self.text[start:end], following)
            if other is None:
                return None
            text, first = text[:start] + other + text[end:], other
        return MarkedText(text, self.person, first, ())


def parse_line(line: Line) -> MarkedText | Fault:
    """Read one line, or tell what is wrong with it."""
    numbered = _NUMBERED.fullmatch(line.text)
    if numbered is None:
        return line.fault(f"no number and sentence {shown(line.text)}; expected such as '1 [The cook] …'")
    text, person, pronouns = "", "", []
    at = 0
    for match in _BRACKETS.finditer(numbered["text"]):
        text += numbered["text"][at : match.start()]
        at, words = match.end(), match[1].strip()
        if gender_of(words):
            pronouns.append((len(text), words))
        else:
            person = person or _ARTICLE.sub("", words, count=1)
        text += words
    text += numbered["text"][at:]
    if "[" in text or "]" in text or not person or not pronouns:
        told = f"not one person and at least one pronoun in brackets {shown(line.text)}"
        return line.fault(f"{told}; expected such as '1 [The cook] … because [she] …'")
    return MarkedText(text.strip(), person, pronouns[0][1], tuple(start for start, _ in pronouns))
