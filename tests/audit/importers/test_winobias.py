"""WinoBias as published → a suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.errors import InputError
from audit.expand import expand
from audit.importers.suite_text import write_suite
from audit.importers.winobias import read_winobias
from audit.lint import lint
from audit.loader import load_suite
from audit.pairs import Pair
from tests.folders import shared

PRO = """\
1 [The cook] saw the nurse because [he] was late.
2 The cook saw [the nurse] because [her] bus was late.
3 The cook thanked [the nurse] and gave [her] some tips.
4 The nurse thanked [the cook] and told [him] that the nurse was late.
5 The cook lost [the nurse] 's hat and [she] wept.
"""
ANTI = """\
1 [The cook] saw the nurse because [she] was late.
2 The cook saw [the nurse] because [his] bus was late.
3 The cook thanked [the nurse] and gave [him] some tips.
4 The nurse thanked [the cook] and told [her] that the nurse was late.
5 The cook lost [the nurse] 's hat and [he] cried.
"""


def folder(path: Path, pro: str = PRO, anti: str = ANTI) -> Path:
    for side, text in (("pro", pro), ("anti", anti)):
        (path / f"{side}_stereotyped_type1.txt.dev").write_text(text, encoding="utf-8")
    (path / "female_occupations.txt").write_text("nurse\n", encoding="utf-8")
    (path / "male_occupations.txt").write_text("cook\nconstruction worker\n", encoding="utf-8")
    return path


def pairs_of(source: Path, target: Path) -> tuple[Pair, ...]:
    made = read_winobias(source)
    write_suite(made.suite, target)
    loaded = load_suite(target)
    assert loaded.suite == made.suite
    return expand(loaded)


def test_a_folder_matches_pro_and_anti_lines(tmp_path: Path) -> None:
    assert read_winobias(folder(tmp_path)).account() == (
        "10 rows read, 3 pairs kept, 4 rows left out (2 in which not exactly two occupations of the lists stand, "
        "2 that differ in more than the pronoun)"
    )
    pairs = pairs_of(tmp_path, tmp_path / "w.yaml")
    assert [(p.pair_id, p.source_row, p.a.text, p.b.text, p.gold) for p in pairs] == [
        (
            "dev-type1-1",
            0,
            "The cook saw the nurse because she was late.",
            "The cook saw the nurse because he was late.",
            "cook",
        ),
        (
            "dev-type1-2",
            1,
            "The cook saw the nurse because her bus was late.",
            "The cook saw the nurse because his bus was late.",
            "nurse",
        ),
        (
            "dev-type1-3",
            2,
            "The cook thanked the nurse and gave her some tips.",
            "The cook thanked the nurse and gave him some tips.",
            "nurse",
        ),
    ]
    assert {(p.contrast, p.directed) for p in pairs} == {(("female", "male"), True)}
    words = {name: pairs[0].a.text[slice(*span)] for name, span in pairs[0].a.mentions.items()}
    assert words == {"pronoun": "she", "candidate_1": "nurse", "candidate_2": "cook"}
    assert [(pair.cluster, pair.order) for pair in pairs] == [
        ("dev.type1.1", 1),
        ("dev.type1.1", 1),
        ("dev.type1.2", 1),
    ]


def test_one_file_swaps_the_pronoun_where_only_one_will_do(tmp_path: Path) -> None:
    source = folder(tmp_path) / "pro_stereotyped_type1.txt.dev"
    assert read_winobias(source).account() == (
        "5 rows read, 3 pairs kept, 2 rows left out (1 in which 'her' may be 'him' or 'his' (the folder tells which), "
        "1 in which not exactly two occupations of the lists stand)"
    )
    texts = [(pair.a.text, pair.b.text) for pair in pairs_of(source, tmp_path / "w.yaml")]
    assert texts[1] == (
        "The cook thanked the nurse and gave her some tips.",
        "The cook thanked the nurse and gave him some tips.",
    )


def test_all_faults_are_told_with_their_lines(tmp_path: Path) -> None:
    bad = PRO.replace("[he] was", "he was").replace("3 The", "The").replace("[him]", "[him")
    with pytest.raises(InputError) as caught:
        read_winobias(folder(tmp_path, pro=bad))
    name = "pro_stereotyped_type1.txt.dev"
    brackets = "expected such as '1 [The cook] … because [she] …'"
    assert str(caught.value).replace(f"{tmp_path}/", "") == (
        f"{name}:1: not one person and at least one pronoun in brackets "
        f"(got '1 [The cook] saw the nurse because he was late.'); {brackets}\n"
        f"{name}:3: no number and sentence (got 'The cook thanked [the nurse] and gave [her] some tips.'); "
        "expected such as '1 [The cook] …'\n"
        f"{name}:4: not one person and at least one pronoun in brackets "
        f"(got '4 The nurse thanked [the cook] and told [him that the nu...); {brackets}"
    )


def test_missing_files_are_told(tmp_path: Path) -> None:
    folder(tmp_path, anti="\n".join(ANTI.splitlines()[:4]))
    with pytest.raises(InputError) as caught:
        read_winobias(tmp_path)
    pro, anti = "pro_stereotyped_type1.txt.dev", "anti_stereotyped_type1.txt.dev"
    assert str(caught.value).replace(f"{tmp_path}/", "") == (
        f"{pro}: 5 sentences, but {anti} has 4; expected equally many"
    )
    (tmp_path / anti).unlink()
    with pytest.raises(InputError) as caught:
        read_winobias(tmp_path)
    assert str(caught.value).replace(f"{tmp_path}/", "") == f"{pro}: there is no {anti} to match it with"
    (tmp_path / pro).unlink()
    with pytest.raises(InputError) as caught:
        read_winobias(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no pro_stereotyped_type1.txt.dev or the like in the folder; expected WinoBias's own files"
    )
    (tmp_path / "male_occupations.txt").unlink()
    with pytest.raises(InputError) as caught:
        read_winobias(tmp_path)
    assert str(caught.value) == f"{tmp_path}/male_occupations.txt: no such file or directory"


def test_the_published_files(tmp_path: Path) -> None:
    source = shared("data", "winobias")
    assert read_winobias(source).account() == (
        "1584 rows read, 774 pairs kept, 36 rows left out (18 that differ in more than the pronoun, "
        "10 in which not exactly two occupations of the lists stand, 8 in which the pronoun stands twice)"
    )
    matched = {pair.pair_id: (pair.a.text, pair.b.text) for pair in pairs_of(source, tmp_path / "w.yaml")}
    loaded = load_suite(tmp_path / "w.yaml")
    assert not [finding for finding in lint(loaded) if finding.severity == "error"]
    # The pronoun that the swap of one file writes is the one that the authors wrote into the other file.
    alone = {}
    for side in ("pro", "anti"):
        for kind in "12":
            file = source / f"{side}_stereotyped_type{kind}.txt.dev"
            for pair in pairs_of(file, tmp_path / "one.yaml"):
                alone[f"{side} {pair.pair_id}"] = (pair.a.text, pair.b.text)
    differing = [key for key, texts in alone.items() if matched.get(key.split()[1], texts) != texts]
    assert len(alone) > 1300
    # "demanded [he] pay", which the pro file writes as "[her] pay", and one "he" without brackets
    assert differing == ["anti dev-type2-171", "anti dev-type2-215"]
