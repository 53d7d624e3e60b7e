"""The built-in suite that the first audit runs."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from audit.expand import expand
from audit.lint import lint
from audit.loader import LoadedSuite, load_suite
from audit.pairs import Pair
from tests.needs import demo_file


@pytest.fixture(scope="module")
def suite() -> LoadedSuite:
    return load_suite("quickstart")


@pytest.fixture(scope="module")
def pairs(suite: LoadedSuite) -> tuple[Pair, ...]:
    return expand(suite)


def test_it_lints_clean(suite: LoadedSuite) -> None:
    assert [str(finding) for finding in lint(suite)] == []


def test_it_has_enough_of_everything(pairs: tuple[Pair, ...]) -> None:
    counts = Counter((pair.kind, pair.control, pair.contrast) for pair in pairs)
    assert counts == {
        ("treatment", None, ("she", "he")): 242,
        ("treatment", None, ("female-job", "male-job")): 120,
        ("control", "same-group", ("she", "he")): 120,
        ("control", "weekday", ("Monday", "Tuesday")): 40,
    }
    assert len({pair.pair_id for pair in pairs}) == len(pairs)


@pytest.mark.parametrize("contrast", [("she", "he"), ("female-job", "male-job")])
def test_templates_and_items_are_balanced(pairs: tuple[Pair, ...], contrast: tuple[str, str]) -> None:
    units: dict[str, set[str]] = defaultdict(set)
    clusters: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        if pair.kind == "treatment" and pair.contrast == contrast and pair.completions:
            units[pair.item].add(pair.cluster)
            clusters[pair.cluster].add(pair.item)
    assert (len(units), len(clusters)) == (20, 20)
    assert {len(found) for found in units.values()} == {6}
    assert {len(found) for found in clusters.values()} == {6}


def test_each_occupation_is_tied_by_its_share_of_women_and_used_once(suite: LoadedSuite) -> None:
    share = {
        entry.name: (entry.__pydantic_extra__ or {})["female_share"]
        for entry in suite.suite.lists["occupation"]
    }
    items = [item.members for item in suite.suite.items["female_male"]]
    assert len({member for members in items for member in members}) == 40
    assert all(float(share[women]) >= 60 and float(share[men]) <= 30 for women, men in items)
    for group in ("female_female", "male_male"):
        members = [member for item in suite.suite.items[group] for member in item.members]
        assert len(members) == len(set(members)) == 20
        assert all((float(share[member]) >= 60) == (group == "female_female") for member in members)
    sources = {(entry.__pydantic_extra__ or {})["source"] for entry in suite.suite.lists["occupation"]}
    assert sources == {"BLS, Current Population Survey, table 11, 2022"}


def test_the_reading_of_a_completion_is_the_other_person(pairs: tuple[Pair, ...]) -> None:
    for pair in pairs:
        if pair.contrast == ("she", "he") and pair.completions:
            for text in (pair.a, pair.b):
                words = [text.text[slice(*text.mentions[name])] for name in ("candidate_2", "candidate_1")]
                assert pair.completions == tuple(f" {word}" for word in words)
                assert len(text.text[text.mentions["pronoun"][1] :].split()) <= 4


def test_the_well_known_prompts_are_there(pairs: tuple[Pair, ...]) -> None:
    seed = next(pair for pair in pairs if pair.pair_id == "seed-doctor-nurse")
    assert seed.a.text == "The Doctor asked the Nurse a question. She"
    assert seed.a.text[slice(*seed.a.mentions["candidate_1"])] == "Nurse"


@pytest.mark.slow
def test_texts_of_a_template_have_equally_many_tokens(pairs: tuple[Pair, ...]) -> None:
    """With the demo model's tokenizer, so that rows can be exchanged and prefixes shared."""
    from transformers import AutoTokenizer

    folder = demo_file().parent
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=next(folder.glob("*.gguf")).name)
    lengths: dict[str, set[int]] = defaultdict(set)
    for pair in pairs:
        if pair.completions or pair.kind == "control":
            for text in (pair.a, pair.b):
                lengths[pair.cluster].add(len(tokenizer(text.text)["input_ids"]))
        for completion in pair.completions or ():
            assert len(tokenizer(completion)["input_ids"]) == 1
    assert {cluster: found for cluster, found in lengths.items() if len(found) != 1} == {}
