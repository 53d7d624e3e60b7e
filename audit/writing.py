"""Writes the text of one arm, and finds in it what the suite mentions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from audit.frames import Frame
from audit.mentions import alone, differing_spans, spans_of_words, trimmed, whole_words
from audit.pairs import PRONOUN, Span
from audit.placeholders import Rendered, item_slot, parse, render, slots
from audit.suite import Arm, Item, WrittenPair
from audit.validate import hint, listed, shown
from audit.yaml_lines import DocumentPath


class Unfilled(ValueError):
    """A text cannot be written, or lacks a mention; carries ``(path, message)`` of every fault."""

    def __init__(self, found: Iterable[tuple[DocumentPath, str]]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(message for _, message in self.found))


@dataclass(frozen=True, slots=True)
class Written:
    """The text of one arm.

    Args:
        swap: what the arm wrote; None in a pair that was written out, where the two texts tell it.
        mentions: name → span; candidates: the suite's name for a candidate → span.
        words: slot → word, for the completions.
    """

    arm: Arm
    text: str
    text_path: DocumentPath
    swap: tuple[Span, ...] | None
    mentions: Mapping[str, Span]
    candidates: Mapping[str, Span]
    words: Mapping[str, str] = field(default_factory=dict)

    def swaps_against(self, other: Written) -> tuple[Span, ...]:
        """The swapped spans of this text in a pair with another: where the two arms write different words."""
        if self.swap is None or other.swap is None:
            return differing_spans(self.text, other.text)[0]
        both = zip(self.swap, other.swap, strict=True)
        return tuple(own for own, its in both if self.text[slice(*own)] != other.text[slice(*its)])

    def completion(self, template: str) -> str:
        """Fill a continuation with the item's words."""
        return render(parse(template), lambda slot: self.words[slot]).text if self.words else template


def write(frame: Frame, arm: Arm, item: Item | None, *, exchanged: bool) -> Written:
    """Fill a template with an arm and an item.

    The arm's own words, the mentions and the completions speak of the item's members as the suite
    lists them; only in the text are the two members exchanged.

    Raises:
        Unfilled: a slot has no value, or a mention is not in the text exactly once.
    """
    words = _item_words(frame, arm, item)
    pieces = parse(frame.text)
    found: list[tuple[DocumentPath, str]] = []
    values = dict(_arm_words(arm, words, slots(pieces), frame, found))
    for slot in words:
        values[slot] = words[_exchange(slot)] if exchanged else words[slot]
    absent = [slot for slot in slots(pieces) if slot not in values]
    found += [(frame.text_path, _no_value(slot, arm, values)) for slot in absent]
    found += _unfilled_completions(frame, words)
    if found:
        raise Unfilled(found)
    rendered = render(pieces, lambda slot: values[slot])
    where = _Where(frame, arm, rendered, {**values, **words}, exchanged)
    mentions, candidates = where.mentions()
    swap = tuple(trimmed(rendered.text, span) for slot, span in rendered.spans if slot not in words)
    return Written(arm, rendered.text, frame.text_path, swap, mentions, candidates, words)


def write_pair(pair: WrittenPair, arm: Arm, arms: Sequence[Arm], path: DocumentPath) -> Written:
    """Take an arm's text of a pair that was written out.

    Raises:
        Unfilled: a mention is not in the text exactly once, or not as many words as arms are given.
    """
    text, place = pair.texts[arm.id], arms.index(arm)
    mentions: dict[str, Span] = {}
    candidates: dict[str, Span] = {}
    found: list[tuple[DocumentPath, str]] = []
    named = {
        PRONOUN: pair.mentions.pronoun,
        "occupation": pair.mentions.occupation,
        "participant": pair.mentions.participant,
        **pair.mentions.other,
    }
    for name, words in named.items():
        at = (*path, "mentions", *(("other", name) if name in pair.mentions.other else (name,)))
        if words and len(words) not in (1, len(arms)):
            found.append(
                (at, f"{len(words)} words for {len(arms)} arms; expected one for each arm, or one for all")
            )
        elif words:
            _once(text, words[place if len(words) > 1 else 0], at, found, mentions, name)
    both = pair.mentions.candidates or ()
    for word in both:
        _once(text, word, (*path, "mentions", "candidates"), found, candidates, word, others=both)
    if found:
        raise Unfilled(found)
    return Written(arm, text, (*path, arm.id), None, mentions, candidates)


@dataclass(frozen=True, slots=True)
class _Where:
    """Looks for a template's mentions in its filled text."""

    frame: Frame
    arm: Arm
    rendered: Rendered
    values: Mapping[str, str]
    exchanged: bool

    def mentions(self) -> tuple[dict[str, Span], dict[str, Span]]:
        found: list[tuple[DocumentPath, str]] = []
        mentions: dict[str, Span] = {}
        candidates: dict[str, Span] = {}
        given = self.frame.mentions
        path = (*self.frame.path, "mentions")
        for name in (PRONOUN, "occupation", "participant"):
            template = getattr(given, name)
            if template is not None:
                self._find(template, (*path, name), found, mentions, name)
        for name, template in given.other.items():
            self._find(template, (*path, "other", name), found, mentions, name)
        for template in given.candidates or ():
            self._find(template, (*path, "candidates"), found, candidates, template)
        if found:
            raise Unfilled(found)
        return mentions, candidates

    def _find(
        self,
        template: str,
        path: DocumentPath,
        found: list[tuple[DocumentPath, str]],
        into: dict[str, Span],
        name: str,
    ) -> None:
        try:
            pieces = parse(template)
            words = render(pieces, lambda slot: self.values[slot]).text
        except (KeyError, ValueError):
            found.append(
                (path, f"the mention cannot be read {shown(template)}; expected words and slots of the text")
            )
            return
        alone = pieces[0].text if len(pieces) == 1 and pieces[0].is_slot else None
        if alone is not None:
            slot = _exchange(alone) if self.exchanged and item_slot(alone) else alone
            spans = self.rendered.of(slot)
            if len(spans) == 1:
                into[name] = trimmed(self.rendered.text, spans[0])
                return
        _once(self.rendered.text, words, path, found, into, name, template)


def _once(
    text: str,
    words: str,
    path: DocumentPath,
    found: list[tuple[DocumentPath, str]],
    into: dict[str, Span],
    name: str,
    written: str | None = None,
    others: Sequence[str] = (),
) -> None:
    """Find words that must be in the text exactly once; what is a part of longer ``others`` does not count."""
    spans = alone(text, words, others)
    if len(spans) == 1:
        into[name] = spans[0]
        return
    options = [text[start:end] for start, end in spans_of_words(text)]
    many = "is not in the text" if not spans else f"is in the text {len(spans)} times"
    near = "" if spans else (_other_form(text, words) or hint(words, options))
    as_written = words if written is None else written
    found.append((path, f"the mention '{as_written}' {many} (got {text!r}); expected it exactly once{near}"))


def _other_form(text: str, words: str) -> str:
    """Where the words look the same, but are other characters: é as one of them, or as e with an accent."""
    same = whole_words(unicodedata.normalize("NFC", text), unicodedata.normalize("NFC", words))
    return "; the text spells it in another Unicode form (NFC or NFD): write both alike" if same else ""


def _item_words(frame: Frame, arm: Arm, item: Item | None) -> dict[str, str]:
    """The item slots that the text, the arm, the mentions or the completions use, with their words."""
    if item is None:
        return {}
    texts = [frame.text, *arm.slots.values(), *frame.completions, *_mention_texts(frame)]
    used: set[str] = set()
    for text in texts:
        try:
            used.update(slots(parse(text)))
        except ValueError:
            continue
    words = {}
    for name in {slot.list for slot in map(item_slot, used) if slot}:
        for number, member in enumerate(item.members, start=1):
            words[f"{name}.{number}"] = member
    return words


def _mention_texts(frame: Frame) -> Iterator[str]:
    given = frame.mentions
    named = (given.pronoun, given.occupation, given.participant, *given.other.values())
    yield from (text for text in named if text is not None)
    yield from given.candidates or ()


def _arm_words(
    arm: Arm,
    words: Mapping[str, str],
    text_slots: Sequence[str],
    frame: Frame,
    found: list[tuple[DocumentPath, str]],
) -> Iterator[tuple[str, str]]:
    for slot, template in arm.slots.items():
        pieces = parse(template)
        absent = [inner for inner in slots(pieces) if inner not in words]
        if not absent:
            yield slot, render(pieces, lambda inner: words[inner]).text
        elif slot in text_slots:
            found.append((frame.text_path, _no_value(absent[0], arm, words)))
    if arm.value is not None:
        free = [slot for slot in text_slots if slot not in arm.slots and item_slot(slot) is None]
        if len(free) == 1:
            yield free[0], arm.value
        else:
            told = f"arm '{arm.id}' fills one slot, but the text has {len(free)} (got {frame.text!r})"
            expected = f"expected one slot that nothing else fills{_member_hint(free, words)}"
            found.append((frame.text_path, f"{told}; {expected}"))


def _member_hint(free: Sequence[str], words: Mapping[str, str]) -> str:
    """What to write for a member of an item, where a list's bare name was written."""
    named = next((slot for slot in free if f"{slot}.1" in words or f"{slot}.2" in words), None)
    return f"; did you mean '{{{named}.1}}', a member of the item?" if named else ""


def _unfilled_completions(frame: Frame, words: Mapping[str, str]) -> Iterator[tuple[DocumentPath, str]]:
    for completion in frame.completions:
        path = (*frame.path, "completions", completion)
        try:
            absent = [slot for slot in slots(parse(completion)) if slot not in words]
        except ValueError as error:
            yield path, f"the slots cannot be read {shown(completion)}: {error}"
            continue
        for slot in absent:
            expected = f"; expected {listed(sorted(words))}{hint(slot, words)}"
            yield path, f"slot {{{slot}}} has no value{expected if words else ''}"


def _no_value(slot: str, arm: Arm, values: Iterable[str]) -> str:
    options = sorted(values)
    expected = f"expected a value in arm '{arm.id}' or an item"
    if options:
        expected = f"{expected}, or one of {listed(options)}"
    return f"slot {{{slot}}} has no value; {expected}{hint(slot, options)}"


def _exchange(slot: str) -> str:
    """``occupation.1`` ↔ ``occupation.2``."""
    word = item_slot(slot)
    if word is None or word.member > 2:
        return slot
    return f"{word.list}.{3 - word.member}"
