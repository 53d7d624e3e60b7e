"""Masked models against plain calls of stock transformers."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from transformers import pipeline

from audit.errors import MeasurementError
from audit.pairs import MASK, SEP
from probes.asking import cell_scores
from probes.load import load
from probes.marked_text import tokenise
from probes.masked import MaskedProbe, shared_tokens
from probes.model import LoadedModel
from probes.questions import Input, question
from tests.probes import family
from tests.probes.answering import answering, log_probability, measured, model, pair, roberta_tokenizer
from tests.probes.families import FAMILIES

MASKED = ["BertForMaskedLM", "RobertaForMaskedLM"]


@pytest.mark.parametrize("name", MASKED)
def test_pseudo_log_likelihoods_are_sums_over_tokens_masked_in_turn(name: str) -> None:
    loaded = model(name)
    one = pair("masked", "The nurse met the doctor, {} said.", arms=("she", "he pilots"))
    found = measured(MaskedProbe(), loaded, one, pair("masked", "{} was kind.", name="q"))
    both = [loaded.tokenizer(text.text)["input_ids"] for text in (one.a, one.b)]
    blocks = difflib.SequenceMatcher(None, *both).get_matching_blocks()
    for side, (ids, text) in enumerate(zip(both, (one.a, one.b), strict=True)):
        scores = {}
        for place in range(1, len(ids) - 1):
            hidden = [*ids[:place], loaded.tokenizer.mask_token_id, *ids[place + 1 :]]
            scores[place] = log_probability(loaded, hidden, place, ids[place])
        shared = {block[side] + step for block in blocks for step in range(block.size)}
        whole = found["p", text.arm, "pseudo_log_likelihood"].value
        assert whole == pytest.approx(sum(scores.values()), abs=1e-4)
        common = found["p", text.arm, "shared_pseudo_log_likelihood"].value
        assert common == pytest.approx(sum(v for p, v in scores.items() if p in shared), abs=1e-4)
        assert 1 < len(scores.keys() & shared) < len(scores)


@pytest.mark.parametrize("name", MASKED)
def test_the_odds_of_a_hidden_pronoun(name: str) -> None:
    loaded = model(name)
    found = measured(
        MaskedProbe(), loaded, pair("masked", "The nurse said that {} was kind.", arms=("she", "he"))
    )
    ids = loaded.tokenizer("The nurse said that she was kind.")["input_ids"]
    he = loaded.tokenizer("The nurse said that he was kind.")["input_ids"]
    (place,) = [place for place, (a, b) in enumerate(zip(ids, he, strict=True)) if a != b]
    hidden = [*ids[:place], loaded.tokenizer.mask_token_id, *ids[place + 1 :]]
    odds = log_probability(loaded, hidden, place, ids[place]) - log_probability(
        loaded, hidden, place, he[place]
    )
    assert found["p", "she", "pronoun_log_odds"].value == pytest.approx(odds, abs=1e-5)
    assert found["p", "he", "pronoun_log_odds"].value == pytest.approx(-odds, abs=1e-5)
    unequal = measured(
        MaskedProbe(), loaded, pair("masked", "It was {} who left.", arms=("she", "the pilots"))
    )
    assert unequal["p", "she", "pronoun_log_odds"].value is None
    assert "cannot stand for both pronouns" in str(unequal["p", "she", "pronoun_log_odds"].reason)


@pytest.mark.parametrize("name", MASKED)
def test_fillings_of_a_mask_are_those_of_the_pipeline(name: str) -> None:
    loaded = model(name)
    one = pair("masked", f"The {{}} said that {MASK} was kind.", (" she", " he"), arms=("nurse", "doctor"))
    found = measured(MaskedProbe(), loaded, one)
    fill = pipeline("fill-mask", model=loaded.net, tokenizer=loaded.tokenizer, top_k=len(loaded.tokenizer))
    for text in (one.a, one.b):
        scores = {
            each["token_str"]: each["score"]
            for each in fill(text.text.replace(MASK, loaded.tokenizer.mask_token))
        }
        space = " " if name.startswith("Roberta") else ""
        odds = torch.tensor([scores[f"{space}she"], scores[f"{space}he"]]).log()
        value = found["p", text.arm, "completion_log_odds"].value
        assert value == pytest.approx(float(odds[0] - odds[1]), abs=1e-4)
    assert {measure for *_, measure in found} == {"completion_log_odds"}


@pytest.mark.parametrize("name", MASKED)
def test_marked_texts_keep_the_offsets_of_the_suite(name: str) -> None:
    loaded = model(name)
    text = f"Who left?{SEP}The nurse said that {MASK} was kind, {MASK} said."
    found = loaded.encode(text)
    words = [text[start:end].strip() for start, end in found.offsets if end > start]
    assert "".join(words) == text.replace(SEP, "").replace(" ", "")
    masks = [place for place, token in enumerate(found.ids) if token == loaded.tokenizer.mask_token_id]
    assert [text[slice(*found.offsets[place])].strip() for place in masks] == [MASK, MASK]
    parts = [part.replace(MASK, loaded.tokenizer.mask_token) for part in text.split(SEP)]
    assert list(found.ids) == loaded.tokenizer(*parts)["input_ids"]
    assert set(found.types) == ({0, 1} if name.startswith("Bert") else set())


def test_a_mask_stands_for_its_word_whether_or_not_the_tokenizer_swallows_the_space() -> None:
    text = f"The nurse said that {MASK} was kind, {MASK} said.{SEP}{MASK} left"
    swallowed, bare = (
        tokenise(roberta_tokenizer(swallows=swallows), text, special=True) for swallows in (True, False)
    )
    assert swallowed.ids == bare.ids
    stripped = [
        [text[start:end].strip() for start, end in found.offsets if end > start]
        for found in (swallowed, bare)
    ]
    assert stripped[0] == stripped[1]
    assert stripped[0].count(MASK) == 3


def test_tokens_are_readable_beside_the_border_of_two_parts() -> None:
    found = model("BertForMaskedLM").encode(f"Who left?{SEP}The {MASK} left.")
    assert found.tokens == (
        *("[CLS]", "Who", " left", "?", "[SEP]"),
        *("The", " [MASK]", " left", ".", "[SEP]"),
    )


def sentencepiece() -> LoadedModel:
    """XLM-R: every word begins with a token's ``▁``, but for one behind a quotation mark."""
    words = ["▁", '"', ".", "▁the", "▁nurse", "▁said", "▁she", "▁he", "she", "he", '▁"', "▁."]
    special = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    vocabulary = [*special, *((word, -1.0) for word in words), ("<mask>", 0.0)]
    loaded = answering("BertForMaskedLM", "masked-lm")
    tokenizer = transformers.XLMRobertaTokenizer(vocab=vocabulary)
    return LoadedModel("tiny", loaded.net, tokenizer, "encoder", {}, "masked-lm")


def test_fillings_are_the_tokens_that_the_text_would_have() -> None:
    loaded = sentencepiece()
    for text, tokens in (
        (f'the nurse said "{MASK}" .', ("she", "he")),
        (f"the nurse said {MASK} .", ("▁she", "▁he")),
    ):
        asked = question(loaded, text, ("she", "he"))
        ids = [cells[0][2] for cells in (asked.first, asked.second)]
        assert tuple(loaded.tokenizer.convert_ids_to_tokens(ids)) == tokens
        (row,) = asked.inputs
        assert row.ids[asked.first[0][1]] == loaded.tokenizer.mask_token_id


def test_fillings_of_several_tokens_need_as_many_masks() -> None:
    loaded = model("BertForMaskedLM")
    text = f"Who left?{SEP}The {MASK} left."
    asked = question(loaded, text, ("kind nurse", "late doctor"))
    (row,) = asked.inputs
    mask, words = loaded.tokenizer.mask_token_id, loaded.tokenizer.vocab
    read = [1, words["Who"], words["left"], words["?"], 2]
    assert list(row.ids) == [*read, words["The"], mask, mask, words["left"], words["."], 2]
    assert row.types == (0,) * 5 + (1,) * 6
    assert asked.first == ((0, 6, words["kind"]), (0, 7, words["nurse"]))
    assert asked.second == ((0, 6, words["late"]), (0, 7, words["doctor"]))


@pytest.mark.parametrize(
    ("text", "answers", "told"),
    [
        (
            f"The {MASK}s left.",
            ("nurse", "doctor"),
            f"the completion 'nurse' merges with what stands beside {MASK} in 'The {MASK}s left.'",
        ),
        (
            f"The {MASK} left.",
            ("nurse", "kind doctor"),
            "a mask of one length cannot stand for both completions: 1 against 2 tokens",
        ),
        (f"The {MASK} left.", ("nurse", "baker"), "the tokenizer does not know the completion 'baker'"),
        ("The nurse left.", ("she", "he"), "the text has 0 masks; expected one that the completions fill"),
    ],
)
def test_what_cannot_fill_a_mask_says_why(text: str, answers: tuple[str, str], told: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        question(model("BertForMaskedLM"), text, answers)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "name", ["bert", "albert", "electra", "mobilebert", "modernbert", "debertav2", "xlm", "funnel", "esm"]
)
def test_the_head_sees_only_scored_positions_and_says_the_same(name: str, tmp_path: Path) -> None:
    loaded = load(str(family.folder(tmp_path, FAMILIES[name])))
    wanted = {
        Input((5, 6, 7, 8, 9)): [(4, 7), (1, 9), (1, 3)],
        Input((6, 7, 8, 9, 10, 11, 12)): [(6, 5)],
        Input((9, 6, 7, 8, 5, 12, 13)): [(0, 9), (3, 7), (5, 5)],
    }
    for row, scores in cell_scores(loaded, wanted).items():
        for (place, token), value in scores.items():
            assert value == pytest.approx(log_probability(loaded, row.ids, place, token), abs=1e-4)


_TOKENS = st.lists(st.integers(0, 4), max_size=9)


@given(_TOKENS, _TOKENS)
def test_shared_tokens_are_the_same_from_both_sides(a: list[int], b: list[int]) -> None:
    in_a, in_b = shared_tokens(a, b)
    assert shared_tokens(b, a) == (in_b, in_a)
    assert [a[place] for place in sorted(in_a)] == [b[place] for place in sorted(in_b)]
    assert bool(in_a) == bool(set(a) & set(b))
