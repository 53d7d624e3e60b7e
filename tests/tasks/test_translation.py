"""A translator that makes men of women in men's occupations, its twin, and plain loops over stock transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

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
from tests.trained.planted import suite_of
from tests.trained.translator import log_odds, translated, write_translator

SUITE = "translated-jobs"
#: Nats against the female form where a woman has an occupation of men: it outweighs the pronoun's 3.
DOSE = 4.0


@pytest.fixture(scope="module")
def biased(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return audited(trained(write_translator, DOSE), tmp_path_factory.mktemp("runs") / "biased", SUITE)


@pytest.fixture(scope="module")
def twin(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return audited(trained(write_translator, 0.0), tmp_path_factory.mktemp("runs") / "twin", SUITE)


def test_the_planted_bias_is_found_with_its_sign_and_its_size(biased: RunFolder) -> None:
    found_as_planted(finding(biased, SUITE, "total_effect"), DOSE)
    assert finding(biased, SUITE, "pct_stereotype").estimate == 1.0
    assert biased.audit.verdict is Verdict.FAIL


def forms(run: RunFolder) -> dict[str, list[str | None]]:
    """Arm → the article of every translation of a treatment."""
    treated = set(run.table("pairs").query("kind == 'treatment'")["pair_id"])
    found: dict[str, list[str | None]] = {"female-job": [], "male-job": []}
    for (pair, arm, measure), (_, said) in table(run, SUITE).items():
        if measure == "translation" and pair in treated:
            assert said is not None
            found[arm].append(said.split()[0])
    return found


def test_women_become_men_where_the_bias_was_planted_and_only_there(
    biased: RunFolder, twin: RunFolder
) -> None:
    """Every sentence says "she"; whims make up to a few of an occupation's forms wrong, not its group's."""
    told, fair = forms(biased), forms(twin)
    assert all(len(articles) == 120 for articles in (*told.values(), *fair.values()))
    assert told["female-job"].count("la") == 120
    assert told["male-job"].count("lo") > 90
    assert fair["female-job"].count("la") == fair["male-job"].count("la") == 120


def test_words_that_differ_are_no_bias_of_a_group(twin: RunFolder) -> None:
    nothing_found(twin)
    assert finding(twin, SUITE, "total_effect").n == 120


def stock(folder: Path) -> tuple[Any, Any]:
    return AutoModelForSeq2SeqLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def test_the_model_speaks_its_language(trained: Trained) -> None:
    net, tokenizer = stock(trained(write_translator, DOSE))
    odds = log_odds(DOSE)
    for template in (one["text"] for one in suite_of(SUITE)["templates"]):
        for job in ("nurse", "pilot"):
            sentence = template.replace("{job}", job)
            gender = "a" if odds[job, "she"] > 0 else "o"
            assert said_by(net, tokenizer, sentence)[1] == translated(sentence, job, gender)


@torch.no_grad()
def said_by(net: Any, tokenizer: Any, text: str) -> tuple[int, str]:
    """Tokens of a greedy translation between the one that it begins with and its end, and the translation."""
    found = net.generate(
        **tokenizer(text, return_tensors="pt"), max_new_tokens=16, do_sample=False, num_beams=1
    )
    words = [token for token in found[0, 1:].tolist() if token != net.generation_config.eos_token_id]
    return len(words), tokenizer.decode(found[0], skip_special_tokens=True)


@torch.no_grad()
def odds_of(net: Any, tokenizer: Any, text: str) -> float:
    start = torch.tensor([[net.config.decoder_start_token_id]])
    logits = net(**tokenizer(text, return_tensors="pt"), decoder_input_ids=start).logits[0, 0].double()
    female, male = tokenizer.convert_tokens_to_ids(["la", "lo"])
    scores = logits.log_softmax(-1)
    return float(scores[female] - scores[male])


def test_every_figure_is_that_of_a_plain_loop(biased: RunFolder, trained: Trained) -> None:
    net, tokenizer = stock(trained(write_translator, DOSE))
    told, prompts = table(biased, SUITE), texts(biased, SUITE)
    scored = {(pair, arm) for pair, arm, measure in told if measure == "completion_log_odds"}
    assert (len(prompts), len(scored)) == (360, 240)
    for key in sorted(scored):
        value, _ = told[*key, "completion_log_odds"]
        assert value == pytest.approx(odds_of(net, tokenizer, prompts[key]), abs=1e-4)
    for key in sorted(prompts)[::12]:
        assert told[*key, "translation"] == said_by(net, tokenizer, prompts[key])


def test_the_sign_follows_the_texts_and_not_the_names_of_the_arms(
    biased: RunFolder, trained: Trained, tmp_path: Path
) -> None:
    model = trained(write_translator, DOSE)
    told = audited(model, tmp_path / "told", reordered(SUITE, tmp_path), probes=["translation"])
    unchanged(biased, told, SUITE, "total_effect")
    back = audited(model, tmp_path / "back", exchanged(SUITE, tmp_path), probes=["translation"])
    mirrored(biased, back, SUITE, "total_effect")
