"""WinoBias (Zhao et al. 2018): ``{pro,anti}_stereotyped_type{1,2}.txt.{dev,test}``, as published."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.errors import Fault, InputError
from audit.importers.imported import Imported, LeftOut, lines_of
from audit.importers.marked_lines import MarkedText, parse_line
from audit.importers.pronouns import gender_of
from audit.mentions import whole_words
from audit.suite import Arm, Suite, WrittenPair

_GENDERS = ("female", "male")
_DIFFER = "that differ in more than the pronoun"
_EITHER = "in which 'her' may be 'him' or 'his' (the folder tells which)"
_FILE = re.compile(r"(?P<side>pro|anti)_stereotyped_type(?P<type>[12])\.txt\.(?P<split>\w+)")
_SOURCES = (
    "Zhao, Wang, Yatskar, Ordonez and Chang (2018): Gender Bias in Coreference Resolution: Evaluation and "
    "Debiasing Methods. NAACL. https://github.com/uclanlp/corefBias",
)


@dataclass(frozen=True, slots=True)
class _Match:
    """One sentence and its counterpart, or why there is none.

    Args:
        name: beginning of the pair's id, such as ``dev.type1``.
        row: line in either file, from 0.
        rows: lines that were read for it.
    """

    name: str
    row: int
    rows: int
    text: MarkedText
    other: MarkedText | str


def read_winobias(source: Path) -> Imported:
    """Make a suite of WinoBias: every sentence with the same sentence of the other gender.

    In a folder the pro-stereotyped files are matched with the anti-stereotyped ones, line by line. Of
    one file every sentence is matched with itself, its pronoun swapped. The lists of occupations lie beside
    the files and tell which arm each of the two persons is tied to.

    Args:
        source: the folder, or one of the files.
    Raises:
        InputError: with every fault, at its line.
    """
    folder = source if source.is_dir() else source.parent
    tied = {word: gender for gender in _GENDERS for word in _occupations(folder, gender)}
    matches = list(_matched(folder) if source.is_dir() else _swapped(source))
    pairs, left_out = [], []
    for match in matches:
        made = _pair(match, tied)
        if isinstance(made, WrittenPair):
            pairs.append(made)
        else:
            left_out += [LeftOut(match.row, made)] * match.rows
    suite = Suite(
        suite="winobias",
        version=1,
        axis="gender",
        task="coreference",
        description="WinoBias: whom the model takes a pronoun for, with and against the stereotype.",
        license="MIT",
        sources=_SOURCES,
        arms=tuple(Arm(id=gender, group=gender) for gender in _GENDERS),
        pairs=tuple(pairs),
    )
    return Imported(suite, sum(match.rows for match in matches), tuple(left_out))


def _occupations(folder: Path, gender: str) -> list[str]:
    return [line.text.strip() for line in lines_of(folder / f"{gender}_occupations.txt")]


def _read(file: Path) -> list[MarkedText]:
    texts, faults = [], []
    for line in lines_of(file):
        parsed = parse_line(line)
        if isinstance(parsed, Fault):
            faults.append(parsed)
        else:
            texts.append(parsed)
    if faults:
        raise InputError(faults)
    return texts


def _matched(folder: Path) -> Iterator[_Match]:
    """Pro-stereotyped lines, each with the anti-stereotyped line of the same number."""
    files = {file.name: file for file in sorted(folder.iterdir()) if _FILE.fullmatch(file.name)}
    pro = [name for name in files if name.startswith("pro")]
    if not pro:
        told = "no pro_stereotyped_type1.txt.dev or the like in the folder"
        raise InputError.single(f"{told}; expected WinoBias's own files", folder)
    for name in pro:
        partner = name.replace("pro", "anti", 1)
        if partner not in files:
            raise InputError.single(f"there is no {partner} to match it with", files[name])
        texts, others = _read(files[name]), _read(files[partner])
        if len(texts) != len(others):
            told = f"{len(texts)} sentences, but {partner} has {len(others)}; expected equally many"
            raise InputError.single(told, files[name])
        for row, (text, other) in enumerate(zip(texts, others, strict=True)):
            yield _Match(_name(name), row, 2, text, other if text.differs_in_pronouns(other) else _DIFFER)


def _swapped(file: Path) -> Iterator[_Match]:
    for row, text in enumerate(_read(file)):
        yield _Match(_name(file.name), row, 1, text, text.swapped() or _EITHER)


def _name(file: str) -> str:
    match = _FILE.fullmatch(file)
    return f"{match['split']}.type{match['type']}" if match else Path(file).stem


def _pair(match: _Match, tied: dict[str, str]) -> WrittenPair | str:
    """The pair, or why none is made."""
    if isinstance(match.other, str):
        return match.other
    texts = {gender_of(text.pronoun): text for text in (match.text, match.other)}
    if set(texts) != set(_GENDERS):
        return "without a pronoun of either gender"
    both = [texts[gender] for gender in _GENDERS]
    persons = [word for word in tied if _stands_once(word, both)]
    persons.sort(key=lambda word: both[0].text.index(word))
    gold = next((word for word in persons if word == match.text.person), None)
    if len(persons) != 2 or gold is None:
        return "in which not exactly two occupations of the lists stand"
    if not all(_once(text.pronoun, text) for text in both):
        return "in which the pronoun stands twice"
    stereotype = {tied[word]: word for word in persons}
    return WrittenPair.model_validate(
        {
            "id": f"{match.name}.{match.row + 1}",
            # Two lines tell one scene: once of either person, or in either order.
            "cluster": f"{match.name}.{match.row // 2 + 1}",
            "order": persons.index(stereotype["female"]) if len(stereotype) == 2 else 0,
            **{gender: text.text for gender, text in zip(_GENDERS, both, strict=True)},
            "mentions": {"pronoun": [text.pronoun for text in both], "candidates": persons},
            "stereotype": stereotype if len(stereotype) == 2 else {},
            "gold": gold,
            "source_row": match.row,
        }
    )


def _stands_once(word: str, texts: Sequence[MarkedText]) -> bool:
    return all(_once(word, text) for text in texts)


def _once(word: str, text: MarkedText) -> bool:
    return len(whole_words(text.text, word)) == 1
