"""Associations and projections as an author writes them, and every fault that they can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.embedding_suite import sentence_of, surveys_asked
from audit.errors import InputError
from audit.expand import expand
from audit.lint import lint
from audit.loader import built_in, load_suite
from audit.mentions import spans_of_words
from audit.schema import schema
from tests.audit.suite_text import loaded, told
from tests.tiny_embedding_suite import EMBEDDING_SUITE


def faults(folder: Path, old: str, new: str) -> list[str]:
    assert old in EMBEDDING_SUITE
    with pytest.raises(InputError) as caught:
        loaded(folder, EMBEDDING_SUITE.replace(old, new))
    return told(caught.value, folder).splitlines()


def test_a_suite_of_embeddings_alone_loads_expands_to_no_pair_and_has_no_faults(tmp_path: Path) -> None:
    suite = loaded(tmp_path, EMBEDDING_SUITE)
    (one,), (projection,) = suite.suite.associations, suite.suite.projections
    assert one.targets["jobs"] == ("nurse", "secretary", "librarian", "baker")
    assert one.words[-4:] == ("She", "she", "He", "he")
    assert (one.layers, one.sentences) == (("input", 1, "last"), ("This is {word}.",))
    assert projection.direction == (("she", "he"), ("She", "He"))
    assert surveys_asked(suite.suite.associations, suite.suite.projections) == 5
    assert expand(suite) == ()
    assert lint(suite) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "{female: [She, she], male: [He, he]}",
            "{female: [She, she]}",
            "17: associations[0].attributes: 1 sets of words; expected two, each with its name",
        ),
        (
            "doings: [asked, met, thanked, told]",
            "doings: [asked, met, nurse, told]",
            "16: associations[0].targets.doings[2]: the word is there twice (got 'nurse'); it is in 'jobs' already",
        ),
        (
            "male: [He, he]",
            "male: [He]",
            "17: associations[0].attributes.male: too few (got 1); expected at least 2",
        ),
        (
            "[input, 1, last]",
            "[input, top]",
            "18: associations[0].layers[1]: unknown layer 'top'; expected input, last or a block's number from 0 "
            "(got 'top')",
        ),
        (
            "[input, 1, last]",
            "[input, -1]",
            "18: associations[0].layers[1]: unknown layer -1; expected input, last or a block's number from 0",
        ),
        ("[input, 1, last]", "[1, 1]", "18: associations[0].layers[1]: the layer is there twice (got 1)"),
        (
            "[[she, he], [She, He]]",
            "[[she, he], [he, he]]",
            "21: projections[0].direction[1]: the two words are the same (got ['he', 'he'])",
        ),
        (
            "[[she, he], [She, He]]",
            "[[she]]",
            "21: projections[0].direction[0]: not a pair of words (got 1); expected two such as [she, he]",
        ),
        (
            "{list: job}",
            "{list: jobs}",
            "22: projections[0].words.list: unknown list 'jobs'; expected job; did you mean 'job'?",
        ),
        (
            "against: female_share",
            "against: female_shares",
            "23: projections[0].against: no number 'female_shares' in the list 'job' for nurse, secretary or "
            "librarian and others; did you mean 'female_share'?",
        ),
        (
            "{name: pilot, female_share: 9}",
            "{name: pilot, female_share: few}",
            "23: projections[0].against: no number 'female_share' in the list 'job' for pilot",
        ),
        (
            "- id: jobs\n",
            "- id: jobs-doings\n",
            "20: projections[0].id: an association has the same id (got 'jobs-doings')",
        ),
        (
            "{word} met the doctor",
            "The doctor met",
            "25: projections[0].sentences[0]: '{word}' must stand in the sentence once (got 'The doctor met')",
        ),
        (
            "    against: female_share\n",
            "",
            "20: projections[0].against: required key is missing; expected an attribute of the list's entries, "
            "such as female_share",
        ),
    ],
)
def test_every_fault_is_told_at_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert faults(tmp_path, old, new) == [f"jobs.yaml:{message}"]


def test_the_task_needs_something_to_do(tmp_path: Path) -> None:
    pairs = EMBEDDING_SUITE[: EMBEDDING_SUITE.index("associations:")] + (
        "arms: [{id: she, group: female}, {id: he, group: male}]\n"
        "pairs: [{id: p, she: She met the nurse, he: He met the nurse}]\n"
    )
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, pairs)
    assert told(caught.value, tmp_path) == (
        "jobs.yaml:4: task: 'embedding' needs 'associations' or 'projections'; the suite has none"
    )
    bare = EMBEDDING_SUITE[: EMBEDDING_SUITE.index("associations:")]
    with pytest.raises(InputError, match="the suite is empty"):
        loaded(tmp_path, bare)


def test_lint_tells_sets_that_are_too_small_for_their_test(tmp_path: Path) -> None:
    text = EMBEDDING_SUITE.replace("[nurse, secretary, librarian, baker]", "[nurse, secretary, librarian]")
    text = text.replace("[asked, met, thanked, told]", "[asked, met, thanked]")
    (finding,) = lint(loaded(tmp_path, text))
    assert str(finding).replace(f"{tmp_path}/", "") == (
        "jobs.yaml:16: associations[0].targets: warning: sets of 3 and 3 target words cannot show anything "
        "(p is at least 0.1); expected at least 4 words each"
    )


@pytest.mark.parametrize(
    ("sentence", "word", "text"),
    [
        ("This is {a} {word}.", "engineer", "This is an engineer."),
        ("This is {a} {word}.", "nurse", "This is a nurse."),
        ("{word} is here.", "she", "she is here."),
    ],
)
def test_sentences_hold_the_word_where_they_say(sentence: str, word: str, text: str) -> None:
    made, (start, end) = sentence_of(sentence, word)
    assert (made, made[start:end]) == (text, word)


def test_the_schema_shows_associations_and_projections() -> None:
    found = schema("suite")
    assert {"associations", "projections"} <= set(found["properties"])
    assert {"Association", "Projection"} <= set(found["$defs"])
    assert "embedding" in found["properties"]["task"]["enum"]


def test_the_built_in_suite_has_sets_of_equal_size_without_common_words() -> None:
    assert "embedding-gender" in built_in("suites")
    suite = load_suite("embedding-gender")
    assert lint(suite) == []
    for one in suite.suite.associations:
        sizes = [len(words) for words in (*one.targets.values(), *one.attributes.values())]
        assert sizes[0] == sizes[1] >= 8, one.id
        assert sizes[2] == sizes[3] >= 4, one.id
        assert all(len(spans_of_words(word)) == 1 for word in one.words), one.id
        gender = {word for words in one.attributes.values() for word in words}
        assert not gender & {word for words in one.targets.values() for word in words}
    for projection in suite.suite.projections:
        poles = {word for pair in projection.direction for word in pair}
        assert not poles & {entry.name for entry in suite.suite.lists[projection.words.list]}
