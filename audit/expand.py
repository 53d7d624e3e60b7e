"""Makes the pairs of a suite: templates × items × orders × contrasts, and those written out."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeVar

from audit.errors import Fault, InputError
from audit.frames import Frame, frames
from audit.latin_square import latin_square
from audit.loader import LoadedSuite
from audit.pairs import CANDIDATE_1, CANDIDATE_2, PRONOUN, Kind, Pair, Text
from audit.suite import Completion, Item, WrittenPair
from audit.validate import shown
from audit.writing import Unfilled, Written, write, write_pair
from audit.yaml_lines import DocumentPath

T = TypeVar("T")


@dataclass(slots=True)
class _Faults:
    """Collects faults; the same fault of one place is told once, however many items show it."""

    loaded: LoadedSuite
    found: dict[tuple[DocumentPath, str], Fault] = field(default_factory=dict)

    def add(self, path: DocumentPath, message: str) -> None:
        kind = message.split("(got")[0]
        self.found.setdefault((path, kind), self.loaded.document.fault(path, message))


@dataclass(frozen=True, slots=True)
class _Origin:
    """What all pairs of one template, item and order have in common."""

    path: DocumentPath
    pair_id: str
    kind: Kind
    control: str | None
    cluster: str
    item: str
    order: int
    stereotype: Mapping[str, str]
    completions: Mapping[str, Completion]
    candidates: tuple[str, ...]
    written: WrittenPair | None = None

    def source_row(self, arm: str) -> int | None:
        """The row of an arm's text in a public data set's own file."""
        row = self.written.source_row if self.written else None
        return row.get(arm) if isinstance(row, dict) else row


def expand(loaded: LoadedSuite) -> tuple[Pair, ...]:
    """Make all pairs: treatments from templates, pairs written out, controls; each in the file's order.

    Raises:
        InputError: with every fault: a slot without a value, a mention that is not in the text or is
            there twice, two equal texts, two pairs with one id, no pair at all.
    """
    faults = _Faults(loaded)
    treatments: list[Pair] = []
    controls: list[Pair] = []
    for frame in frames(loaded.suite):
        made = list(_from_frame(loaded, frame, faults))
        (treatments if frame.kind == "treatment" else controls).extend(made)
    pairs = (*treatments, *_written_pairs(loaded, faults), *controls)
    for pair_id, count in Counter(pair.pair_id for pair in pairs).items():
        if count > 1:
            twice = [pair for pair in pairs if pair.pair_id == pair_id][1]
            message = f"{count} pairs have the same id {shown(pair_id)}; expected ids that differ"
            faults.found[((), message)] = Fault(twice.file, twice.line, "", message)
    if faults.found:
        raise InputError(faults.found.values())
    return pairs


def _from_frame(loaded: LoadedSuite, frame: Frame, faults: _Faults) -> Iterator[Pair]:
    chosen = _chosen(frame, faults)
    for item in chosen:
        exchangeable = frame.both_orders and item is not None
        for order in (0, 1) if exchangeable else (0,):
            try:
                written = [write(frame, arm, item, exchanged=order == 1) for arm in frame.arms]
            except Unfilled as unfilled:
                for path, message in unfilled.found:
                    faults.add(path, message)
                continue
            yield from _contrasts(loaded, _origin(frame, item, order), written, faults)


def _chosen(frame: Frame, faults: _Faults) -> tuple[Item | None, ...]:
    """The items of a template; one None when it takes none."""
    count, wanted = len(frame.items), frame.per_template
    if not count:
        return (None,)
    if frame.both_orders and any(len(item.members) != 2 for item in frame.items):
        faults.add(
            frame.pick_path, "'both_orders' needs items of two members; expected items such as [nurse, pilot]"
        )
        return ()
    if wanted is None:
        return frame.items
    if wanted > count:
        faults.add(
            frame.pick_path,
            f"per_template is more than there are items (got {wanted}); expected at most {count}",
        )
        return ()
    return tuple(frame.items[index] for index in latin_square(frame.place, count, wanted))


def _origin(frame: Frame, item: Item | None, order: int) -> _Origin:
    name = (item.id or "-".join(item.members)) if item else frame.cluster
    parts = [*frame.name.split("."), *([name, f"o{order}"] if item else [])]
    return _Origin(
        path=frame.path,
        pair_id=".".join(slug(part) for part in parts),
        kind=frame.kind,
        control=frame.control,
        cluster=frame.cluster,
        item=name,
        order=order,
        stereotype=frame.stereotype,
        completions=frame.completions,
        candidates=frame.mentions.candidates or (),
    )


def _written_pairs(loaded: LoadedSuite, faults: _Faults) -> Iterator[Pair]:
    for index, pair in enumerate(loaded.suite.pairs):
        path: DocumentPath = ("pairs", index)
        candidates = pair.mentions.candidates or ()
        origin = _Origin(
            path=path,
            pair_id=slug(pair.id),
            kind="control" if pair.control else "treatment",
            control=pair.control,
            cluster=pair.cluster or pair.id,
            item=pair.item or "-".join(sorted(word.casefold() for word in candidates)) or pair.id,
            order=pair.order,
            stereotype={} if pair.control else pair.stereotype,
            completions=pair.completions,
            candidates=candidates,
            written=pair,
        )
        arms = [arm for arm in loaded.suite.arms if arm.id in pair.texts]
        try:
            written = [write_pair(pair, arm, arms, path) for arm in arms]
        except Unfilled as unfilled:
            for at, message in unfilled.found:
                faults.add(at, message)
            continue
        yield from _contrasts(loaded, origin, written, faults)


def _contrasts(
    loaded: LoadedSuite, origin: _Origin, written: Sequence[Written], faults: _Faults
) -> Iterator[Pair]:
    """A pair for every two arms, in their order."""
    alone = len(written) == 2 and origin.path[0] == "pairs"
    for a, b in combinations(written, 2):
        if a.text == b.text:
            told = f"arms '{a.arm.id}' and '{b.arm.id}' write the same text {shown(a.text)}"
            faults.add(a.text_path, f"{told}; expected two texts that differ")
            continue
        contrast = f"{slug(a.arm.id)}-{slug(b.arm.id)}"
        yield _pair(loaded, origin, a, b, "" if alone else f".{contrast}")


def _pair(loaded: LoadedSuite, origin: _Origin, a: Written, b: Written, ending: str) -> Pair:
    tie_a, tie_b = origin.stereotype.get(a.arm.id), origin.stereotype.get(b.arm.id)
    candidates = _tied(origin.candidates, tie_a, tie_b)
    completions, by_arm = _completions(origin, a, b, candidates)
    treatment, written = origin.kind == "treatment", origin.written
    tied = by_arm or tie_a is not None or tie_b is not None or a.arm.stereotypical
    mark = loaded.where(origin.path)
    swaps = a.swaps_against(b), b.swaps_against(a)
    return Pair(
        suite=loaded.suite.suite,
        pair_id=origin.pair_id + ending,
        axis=(written and written.axis) or loaded.suite.axis,
        kind=origin.kind,
        control=origin.control,
        cluster=origin.cluster,
        item=origin.item,
        order=origin.order,
        directed=treatment and tied,
        a=_text(a, swaps[0], candidates, origin.source_row(a.arm.id)),
        b=_text(b, swaps[1], candidates, origin.source_row(b.arm.id)),
        completions=completions,
        source_row=origin.source_row(a.arm.id),
        file=mark.file,
        line=mark.line,
        referents=_two(written.referents or origin.candidates) if written else None,
        gold=written.gold if written else None,
        attributes=written.attributes if written else {},
        task=loaded.suite.task,
    )


def _two(words: Sequence[str]) -> tuple[str, str] | None:
    return (words[0], words[1]) if len(words) == 2 else None


def _tied(options: Sequence[T], to_a: T | None, to_b: T | None) -> tuple[T, T] | None:
    """The option tied to arm_a and the one tied to arm_b; of two, the other one where only one is tied."""
    if to_a is not None and to_b is not None:
        return to_a, to_b
    if len(options) != 2:
        return None
    first, second = options
    return (second, first) if first == to_b or second == to_a else (first, second)


def _completions(
    origin: _Origin, a: Written, b: Written, candidates: tuple[str, str] | None
) -> tuple[tuple[str, str] | None, bool]:
    """``(c_1, c_2)`` and whether the arms themselves tie them."""
    reading = {meant.reads_pronoun_as: words for words, meant in origin.completions.items()}
    arm = {meant.tied_to: words for words, meant in origin.completions.items() if meant.tied_to}
    chosen: tuple[str, str] | None = None
    to_a, to_b = arm.get(a.arm.id), arm.get(b.arm.id)
    if to_a is not None or to_b is not None:
        chosen = _tied(tuple(arm.values()), to_a, to_b)
    elif candidates and candidates[0] in reading and candidates[1] in reading:
        chosen = reading[candidates[0]], reading[candidates[1]]
    if chosen is None:
        return None, False
    return (a.completion(chosen[0]), a.completion(chosen[1])), bool(arm)


def _text(
    written: Written,
    swap: tuple[tuple[int, int], ...],
    candidates: tuple[str, str] | None,
    source_row: int | None,
) -> Text:
    mentions = dict(written.mentions)
    if candidates:
        mentions[CANDIDATE_1] = written.candidates[candidates[0]]
        mentions[CANDIDATE_2] = written.candidates[candidates[1]]
    order = (PRONOUN, CANDIDATE_1, CANDIDATE_2)
    names = [name for name in order if name in mentions] + [name for name in mentions if name not in order]
    return Text(
        arm=written.arm.id,
        group=written.arm.group,
        text=written.text,
        swap=swap,
        mentions={name: mentions[name] for name in names},
        source_row=source_row,
    )


def slug(words: str) -> str:
    """Letters, digits and hyphens that may stand in a URL: ``New Year`` → ``New-Year``."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    kept = re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-")
    return kept or hashlib.sha256(words.encode()).hexdigest()[:8]
