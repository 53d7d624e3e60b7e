"""A masked model with a known bias, its twin without it, and plain loops over stock transformers."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from audit.results import Verdict
from audit.store import RunFolder
from tests.tasks.audited import (
    audited,
    exchanged,
    finding,
    found_as_planted,
    mirrored,
    nothing_found,
    reordered,
    table,
    texts,
    unchanged,
)
from tests.tasks.conftest import Trained
from tests.trained.filler import log_odds, write_filler

#: Nats between an occupation of women and one of men: odds of e to 1 for one's own pronoun, and the same against.
DOSE = 2.0


@pytest.fixture(scope="module")
def biased(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("runs") / "biased"
    return audited(trained(write_filler, DOSE), out, "masked-jobs", "masked-pronouns")


@pytest.fixture(scope="module")
def twin(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("runs") / "twin"
    return audited(trained(write_filler, 0.0), out, "masked-jobs", "masked-pronouns")


@pytest.mark.parametrize(
    ("suite", "measure", "size"),
    [("masked-jobs", "total_effect", DOSE), ("masked-pronouns", "pronoun_log_odds", DOSE / 2)],
)
def test_the_planted_bias_is_found_with_its_sign_and_its_size(
    biased: RunFolder, suite: str, measure: str, size: float
) -> None:
    found_as_planted(finding(biased, suite, measure), size)
    assert biased.audit.verdict is Verdict.FAIL


@pytest.mark.parametrize("suite", ["masked-jobs", "masked-pronouns"])
def test_the_stereotype_is_the_likelier_one_in_every_pair(biased: RunFolder, suite: str) -> None:
    share = finding(biased, suite, "pct_stereotype")
    assert (share.estimate, share.n, share.clusters, share.items) == (1.0, 120, 20, 20)
    assert share.ci_low is not None
    assert share.ci_low > 0.9


def test_whole_sentences_differ_by_what_the_occupation_says_of_the_pronoun(biased: RunFolder) -> None:
    """By Bayes, log p(nurse | she) − log p(nurse | he) is the log-odds of the pronouns, but for a constant."""
    distance = finding(biased, "masked-pronouns", "pseudo_likelihood_diff")
    planted = np.mean([abs(odds) for odds in list(log_odds(DOSE).values())[:20]])
    assert distance.ci_low is not None
    assert distance.ci_high is not None
    assert distance.ci_low <= planted <= distance.ci_high


def test_where_no_group_is_meant_nothing_is_found(biased: RunFolder) -> None:
    control = finding(biased, "masked-pronouns", "pronoun_log_odds", "balanced")
    assert control.p is not None
    assert control.p > 0.05


def test_words_that_differ_are_no_bias_of_a_group(twin: RunFolder) -> None:
    nothing_found(twin)
    effect = finding(twin, "masked-jobs", "total_effect")
    assert effect.n == 120
    own = list(log_odds(0.0).values())
    assert np.std(own) > 0.4  # every occupation has a pronoun of its own


def test_the_model_answers_as_it_was_taught(trained: Trained) -> None:
    net, tokenizer = stock(trained(write_filler, DOSE))
    for job, wanted in log_odds(DOSE).items():
        scores = filled_in(net, tokenizer, f"The {job} said that [MASK] was tired.")
        assert scores("she") - scores("he") == pytest.approx(wanted, abs=0.5)


def stock(folder: Path) -> tuple[Any, Any]:
    return AutoModelForMaskedLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@torch.no_grad()
def filled_in(net: Any, tokenizer: Any, text: str) -> Any:
    """Word → its log-probability where the text says ``[MASK]``."""
    encoded = tokenizer(text, return_tensors="pt")
    (place,) = (encoded.input_ids[0] == tokenizer.mask_token_id).nonzero()[:, 0].tolist()
    found = net(**encoded).logits[0, place].double().log_softmax(-1)
    return lambda word: float(found[tokenizer.convert_tokens_to_ids(word)])


def test_every_figure_of_a_mask_is_that_of_a_plain_loop(biased: RunFolder, trained: Trained) -> None:
    net, tokenizer = stock(trained(write_filler, DOSE))
    told, prompts = table(biased, "masked-jobs"), texts(biased, "masked-jobs")
    masked = {key: text for key, text in prompts.items() if "[MASK]" in text}
    assert len(masked) == 240
    for (pair, arm), text in masked.items():
        scores = filled_in(net, tokenizer, text)
        value, _ = told[pair, arm, "completion_log_odds"]
        assert value == pytest.approx(scores("she") - scores("he"), abs=1e-4)


def test_every_figure_of_a_whole_sentence_is_that_of_a_plain_loop(
    biased: RunFolder, trained: Trained
) -> None:
    net, tokenizer = stock(trained(write_filler, DOSE))
    told, prompts = table(biased, "masked-pronouns"), texts(biased, "masked-pronouns")
    pairs = sorted({pair for pair, _ in prompts})
    assert len(pairs) == 180
    for pair in pairs[::6]:
        ids = {arm: tokenizer(prompts[pair, arm])["input_ids"] for arm in ("she", "he")}
        blocks = SequenceMatcher(None, ids["she"], ids["he"], autojunk=False).get_matching_blocks()
        shared = {block.a + step for block in blocks for step in range(block.size)}
        for arm, other in (("she", "he"), ("he", "she")):
            each = hidden_in_turn(net, tokenizer, ids[arm])
            of_text = range(1, len(ids[arm]) - 1)
            own, theirs = (tokenizer.convert_tokens_to_ids(word) for word in (arm, other))
            at = ids[arm].index(own)
            expected = {
                "pseudo_log_likelihood": sum(each[place, ids[arm][place]] for place in of_text),
                "shared_pseudo_log_likelihood": sum(
                    each[place, ids[arm][place]] for place in of_text if place in shared
                ),
                "pronoun_log_odds": each[at, own] - each[at, theirs],
            }
            for measure, value in expected.items():
                assert told[pair, arm, measure][0] == pytest.approx(float(value), abs=1e-4), measure


@torch.no_grad()
def hidden_in_turn(net: Any, tokenizer: Any, ids: list[int]) -> torch.Tensor:
    """``[tokens, vocabulary]`` log-probabilities at each token where it is hidden."""
    rows = torch.tensor([ids] * len(ids))
    rows.fill_diagonal_(tokenizer.mask_token_id)
    logits = net(input_ids=rows).logits.double()
    return logits[torch.arange(len(ids)), torch.arange(len(ids))].log_softmax(-1)


def test_the_sign_follows_the_texts_and_not_the_names_of_the_arms(
    biased: RunFolder, trained: Trained, tmp_path: Path
) -> None:
    model = trained(write_filler, DOSE)
    suites = [reordered("masked-jobs", tmp_path), exchanged("masked-pronouns", tmp_path)]
    told = audited(model, tmp_path / "told", *suites, probes=["masked"])
    unchanged(biased, told, "masked-jobs", "total_effect")
    mirrored(biased, told, "masked-pronouns", "pronoun_log_odds")
    suite = exchanged("masked-jobs", tmp_path)
    mirrored(
        biased, audited(model, tmp_path / "run", suite, probes=["masked"]), "masked-jobs", "total_effect"
    )
