"""Winogender schemas (Rudinger et al. 2018): ``all_sentences.tsv``, as published."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.errors import Fault, InputError
from audit.importers.delimited import Row, read_table
from audit.importers.imported import Imported, LeftOut
from audit.importers.pronouns import pronouns_of
from audit.mentions import whole_words
from audit.suite import Arm, Suite, WrittenPair
from audit.validate import shown

_SENTENCES, _STATISTICS = "all_sentences.tsv", "occupations-stats.tsv"
_ID, _TEXT = "sentid", "sentence"
_OCCUPATION, _SHARE = "occupation", "bls_pct_female"
_GENDERS = ("female", "male", "neutral")

_SOURCES = (
    "Rudinger, Naradowsky, Leonard and Van Durme (2018): Gender Bias in Coreference Resolution. NAACL. "
    "https://github.com/rudinger/winogender-schemas",
)


@dataclass(frozen=True, slots=True)
class _Sentence:
    """One row: who is in it, and whom the pronoun stands for."""

    row: Row
    occupation: str
    participant: str
    answer: str
    gender: str

    @property
    def schema(self) -> str:
        """What the three genders of a sentence have in common."""
        return f"{self.occupation}.{self.participant}.{self.answer}"

    @property
    def text(self) -> str:
        return self.row.cells[_TEXT]


def read_winogender(source: Path) -> Imported:
    """Make a suite of Winogender: female–male, female–neutral and male–neutral pairs of every schema.

    The gold referent is the occupation (answer 0) or the other person (answer 1). Where the
    occupation is held mostly by one gender (Bureau of Labor Statistics, in ``occupations-stats.tsv``
    beside the sentences), it is tied to that arm.

    Args:
        source: ``all_sentences.tsv``, or a folder that holds it, itself or in ``data``.
    Raises:
        InputError: with every fault, at its line.
    """
    file = _sentences(source)
    rows = read_table(file, (_ID, _TEXT), "\t")
    sentences = _parsed(rows)
    shares, notes = _shares(file.with_name(_STATISTICS))
    schemas: dict[str, list[_Sentence]] = defaultdict(list)
    left_out = []
    for sentence in sentences:
        if len(pronouns_of(sentence.gender, sentence.text)) == 1:
            schemas[sentence.schema].append(sentence)
        else:
            left_out.append(LeftOut(sentence.row.number, "without exactly one pronoun of its gender"))
    for name, alone in list(schemas.items()):
        if len(alone) == 1:
            left_out.append(LeftOut(alone[0].row.number, "without a sentence to compare it with"))
            del schemas[name]
    suite = Suite(
        suite="winogender",
        version=1,
        axis="gender",
        task="coreference",
        description="Winogender schemas: whom the model takes a pronoun for, by the pronoun's gender.",
        license="MIT",
        sources=_SOURCES,
        arms=tuple(Arm(id=gender, group=gender) for gender in _GENDERS),
        pairs=tuple(_pair(name, same, shares) for name, same in schemas.items()),
    )
    return Imported(suite, len(rows), tuple(left_out), notes)


def _sentences(source: Path) -> Path:
    if not source.is_dir():
        return source
    for file in (source / _SENTENCES, source / "data" / _SENTENCES):
        if file.is_file():
            return file
    raise InputError.single(f"no {_SENTENCES} in the folder, nor in its folder 'data'", source)


def _parsed(rows: Sequence[Row]) -> list[_Sentence]:
    sentences, faults, seen = [], [], set()
    for row in rows:
        parts = row.cells[_ID].split(".")
        if len(parts) != 5 or parts[2] not in ("0", "1") or parts[3] not in _GENDERS:
            told = f"the id cannot be read {shown(row.cells[_ID])}"
            faults.append(row.fault(_ID, f"{told}; expected occupation.participant.answer.gender.txt"))
            continue
        if row.cells[_ID] in seen:
            faults.append(row.fault(_ID, f"the id is there twice {shown(row.cells[_ID])}"))
        seen.add(row.cells[_ID])
        sentences.append(_Sentence(row, *parts[:4]))
    if faults:
        raise InputError(faults)
    return sentences


def _shares(file: Path) -> tuple[dict[str, float], tuple[str, ...]]:
    """Occupation → women among those who hold it, in per cent; and a note if that is not known."""
    if not file.is_file():
        return {}, (f"no {_STATISTICS} beside it, so no occupation is tied to a gender",)
    shares: dict[str, float] = {}
    faults: list[Fault] = []
    for row in read_table(file, (_OCCUPATION, _SHARE), "\t"):
        try:
            shares[row.cells[_OCCUPATION]] = float(row.cells[_SHARE])
        except ValueError:
            faults.append(row.fault(_SHARE, f"not a number {shown(row.cells[_SHARE])}"))
    if faults:
        raise InputError(faults)
    return shares, ()


def _pair(name: str, same: Sequence[_Sentence], shares: Mapping[str, float]) -> WrittenPair:
    ordered = sorted(same, key=lambda sentence: _GENDERS.index(sentence.gender))
    first = ordered[0]
    share = shares.get(first.occupation)
    mentions: dict[str, object] = {
        "pronoun": [pronouns_of(sentence.gender, sentence.text)[0] for sentence in ordered]
    }
    stereotype = {}
    referents = [first.occupation, first.participant]
    # A person named by the first word of the text is no mention: attention sinks lie there.
    if all(_mentioned(sentence.text, word) for sentence in ordered for word in referents):
        mentions["candidates"] = referents
        if share is not None and share != 50:
            stereotype = {"female" if share > 50 else "male": first.occupation}
    return WrittenPair.model_validate(
        {
            "id": name,
            "cluster": f"{first.occupation}.{first.answer}",
            "item": first.occupation,
            **{sentence.gender: sentence.text for sentence in ordered},
            "mentions": mentions,
            "stereotype": stereotype,
            "referents": referents,
            "gold": referents[int(first.answer)],
            "source_row": {sentence.gender: sentence.row.number for sentence in ordered},
            "attributes": {} if share is None else {_SHARE: share},
        }
    )


def _mentioned(text: str, word: str) -> bool:
    spans = whole_words(text, word)
    return len(spans) == 1 and spans[0][0] > 0
