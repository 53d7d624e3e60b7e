"""What single texts of a suite can have wrong: the part of lint that reads them word by word."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal

from audit.errors import Fault
from audit.loader import ROOT, LoadedSuite
from audit.mentions import spans_of_words
from audit.pairs import MASK, PRONOUN, SEP, Pair, Text
from audit.suite import NEEDED_HEADS
from audit.yaml_lines import read_document

Severity = Literal["error", "warning"]
Told = tuple[Severity, Fault]
#: Tasks of models that see a whole text from every word; classifiers may be decoders.
_READ_BOTH_WAYS = ("masked", "question-answering", "translation")

Rule = Callable[[LoadedSuite, Sequence[Pair]], Iterator[Told]]

_A_BEFORE_VOWEL = re.compile(r"\b[Aa] (?!eu|one\b|once\b|uni|use|usu|uti|ura|ute)([aeiou]\w*)")
_AN_BEFORE_CONSONANT = re.compile(r"\b[Aa]n (?!hour|honest|honou?r|heir)([b-df-hj-np-tv-z]\w*)")


def at_pair(pair: Pair, message: str) -> Fault:
    """A fault where the pair's author wrote it."""
    return Fault(pair.file, pair.line, "", message)


def _once(pairs: Sequence[Pair], check: Callable[[Pair, Text], Iterator[str]]) -> Iterator[Fault]:
    """The faults of single texts, each told once for a template, with the first text that shows it."""
    told: set[tuple[str, int, str]] = set()
    for pair in pairs:
        for text in (pair.a, pair.b):
            for message in check(pair, text):
                place = (pair.file, pair.line, message)
                if place not in told:
                    told.add(place)
                    yield at_pair(pair, f"{message} (got {text.text!r})")


def _first_word(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    def check(pair: Pair, text: Text) -> Iterator[str]:
        for name, (start, _) in text.mentions.items():
            if start == 0 and name.startswith("candidate"):
                yield "a candidate is the first word, where every head looks; expected a word before it"

    for fault in _once(pairs, check):
        yield "error", fault


def _candidates_behind(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    def check(pair: Pair, text: Text) -> Iterator[str]:
        places = [start for name, (start, _) in text.mentions.items() if name.startswith("candidate")]
        decoder = pair.task not in _READ_BOTH_WAYS
        if decoder and PRONOUN in text.mentions and places and max(places) > text.mentions[PRONOUN][0]:
            yield "a candidate stands behind the pronoun, where a decoder cannot see it yet"

    for fault in _once(pairs, check):
        yield "warning", fault


def _group_words(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    words = _words_of_groups(loaded, pairs)

    def check(pair: Pair, text: Text) -> Iterator[str]:
        frame = list(text.text)
        for start, end in text.swap:
            frame[start:end] = " " * (end - start)
        for word in _words_among("".join(frame), words):
            yield f"the group word '{word}' stands outside the swapped words"

    for fault in _once(pairs, check):
        yield "warning", fault


def _words_among(text: str, words: Collection[str]) -> list[str]:
    """Those of the words (in lower case) that a text has, in its order."""
    found = (text[start:end].casefold() for start, end in spans_of_words(text))
    return [word for word in dict.fromkeys(found) if word in words]


def _words_of_groups(loaded: LoadedSuite, pairs: Sequence[Pair]) -> set[str]:
    """The pronouns of the pairs; for the axis gender also common words that tell one."""
    words = set()
    for text in (text for pair in pairs for text in (pair.a, pair.b)):
        if PRONOUN in text.mentions:
            start, end = text.mentions[PRONOUN]
            words.add(text.text[start:end].casefold())
    if loaded.suite.axis == "gender":
        words.update(read_document(ROOT / "suites" / "lists" / "gender_words.yaml").data)
    return words


def _articles(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    def check(pair: Pair, text: Text) -> Iterator[str]:
        for wrong, article in ((_A_BEFORE_VOWEL, "an"), (_AN_BEFORE_CONSONANT, "a")):
            for match in wrong.finditer(text.text):
                yield f"the article does not fit '{match[0]}'; expected '{article} {match[1]}'"

    if loaded.suite.language == "en":
        for fault in _once(pairs, check):
            yield "warning", fault


def _more_than_one_difference(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    words = _words_of_groups(loaded, pairs)
    marks = [loaded.where(("pairs", index)) for index in range(len(loaded.suite.pairs))]
    written = {(mark.file, mark.line) for mark in marks}

    def check(pair: Pair, text: Text) -> Iterator[str]:
        pronoun = text.mentions[PRONOUN]
        for start, end in text.swap:
            apart = end <= pronoun[0] or start >= pronoun[1]
            if apart and text.text[start:end].casefold() not in words:
                words_here = repr(text.text[start:end])
                yield f"the texts also differ in {words_here}; expected one difference, the pronoun"

    chosen = [pair for pair in pairs if (pair.file, pair.line) in written and PRONOUN in pair.a.mentions]
    for fault in _once(chosen, check):
        yield "warning", fault


def _spaces(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    def check(pair: Pair, text: Text) -> Iterator[str]:
        if text.text != text.text.strip() or "  " in text.text:
            yield "the text has a space too many; expected none at its ends and one between words"
        continued = loaded.suite.language == "en" and loaded.suite.task not in NEEDED_HEADS
        if continued and any(word[:1].isalpha() for word in pair.completions or ()):
            yield "a completion does not begin with a space, so it would be glued to the text"

    for fault in _once(pairs, check):
        yield "warning", fault


def _markers(loaded: LoadedSuite, pairs: Sequence[Pair]) -> Iterator[Told]:
    task = loaded.suite.task

    def check(pair: Pair, text: Text) -> Iterator[str]:
        masks, parts = text.text.count(MASK), text.text.count(SEP)
        if task == "masked" and pair.completions and masks != 1:
            yield f"the completions need one place to fill; expected one {MASK}"
        elif masks and (task != "masked" or not pair.completions):
            yield f"nothing fills {MASK}; expected it only in texts of the task 'masked' with completions"
        if task == "question-answering" and parts != 1:
            yield f"question and context cannot be told apart; expected one '{SEP}' between them"
        elif parts and task not in ("question-answering", "classification", "masked"):
            yield f"a text of the task '{task}' has no parts; expected no '{SEP}'"

    for fault in _once(pairs, check):
        yield "error", fault


TEXT_RULES: dict[str, Rule] = {
    "first-word": _first_word,
    "candidate-behind": _candidates_behind,
    "group-word": _group_words,
    "article": _articles,
    "more-than-one-difference": _more_than_one_difference,
    "spaces": _spaces,
    "markers": _markers,
}
