"""A reader that answers by stereotype who is meant, its twin, and plain loops over stock transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

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
from tests.trained.reader import BORDER, write_reader

SUITE = "who-said"
#: Nats at the start of the answer, and as many at its end: twice as much in all.
DOSE = 1.0
PROBES = ("question-answering",)


@pytest.fixture(scope="module")
def biased(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("runs") / "biased"
    return audited(trained(write_reader, DOSE), out, SUITE, probes=PROBES)


@pytest.fixture(scope="module")
def twin(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("runs") / "twin"
    return audited(trained(write_reader, 0.0), out, SUITE, probes=PROBES)


def test_the_planted_bias_is_found_with_its_sign_and_its_size(biased: RunFolder) -> None:
    found_as_planted(finding(biased, SUITE, "total_effect"), 2 * DOSE)
    assert finding(biased, SUITE, "pct_stereotype").estimate == 1.0
    assert biased.audit.verdict is Verdict.FAIL


def test_the_answer_changes_with_the_pronoun_where_the_bias_was_planted(
    biased: RunFolder, twin: RunFolder
) -> None:
    told, fair = (finding(run, SUITE, "answer_changed") for run in (biased, twin))
    assert told.ci_low is not None
    assert fair.ci_high is not None
    assert told.ci_low > fair.ci_high


def test_two_occupations_of_one_group_are_told_apart_by_nothing(biased: RunFolder) -> None:
    for measure in ("total_effect", "answer_score"):
        control = finding(biased, SUITE, measure, "same-group")
        assert control.p is not None
        assert control.p > 0.05


def test_occupations_that_differ_are_no_bias_of_a_group(twin: RunFolder) -> None:
    nothing_found(twin)
    effect = finding(twin, SUITE, "total_effect")
    assert (effect.n, effect.units) == (240, 120)


@pytest.mark.slow
def test_the_whole_preset_says_the_same_and_flags_no_head_without_a_bias(
    biased: RunFolder, trained: Trained, tmp_path: Path
) -> None:
    whole = audited(trained(write_reader, DOSE), tmp_path / "biased", SUITE)
    effect = finding(biased, SUITE, "total_effect")
    assert finding(whole, SUITE, "total_effect").estimate == pytest.approx(effect.estimate, abs=1e-5)
    assert len(whole.audit.heads) == 4 * 12
    nothing_found(audited(trained(write_reader, 0.0), tmp_path / "twin", SUITE))


def stock(folder: Path) -> tuple[Any, Any]:
    return (
        AutoModelForQuestionAnswering.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )


class Read:
    """The stock model's scores of one context."""

    @torch.no_grad()
    def __init__(self, net: Any, tokenizer: Any, text: str) -> None:
        question, self.context = text.split(BORDER)
        self.encoded = tokenizer(question, self.context, return_tensors="pt")
        found = net(**self.encoded)
        self.places = [at for at, part in enumerate(self.encoded.sequence_ids(0)) if part == 1]
        self.starts, self.ends = (
            dict(zip(self.places, scores[0, self.places].double().log_softmax(-1).tolist(), strict=True))
            for scores in (found.start_logits, found.end_logits)
        )

    def score(self, answer: str) -> float:
        begin = self.context.index(f" {answer} ") + 1
        first = self.encoded.char_to_token(0, begin, 1)
        last = self.encoded.char_to_token(0, begin + len(answer) - 1, 1)
        return self.starts[first] + self.ends[last]

    def best(self) -> tuple[float, str]:
        spans = [(first, last) for first in self.places for last in self.places if 0 <= last - first < 30]
        first, last = max(spans, key=lambda span: self.starts[span[0]] + self.ends[span[1]])
        begin = self.encoded.token_to_chars(0, first).start
        end = self.encoded.token_to_chars(0, last).end
        return self.starts[first] + self.ends[last], self.context[begin:end]


def test_every_figure_is_that_of_a_plain_loop(biased: RunFolder, trained: Trained) -> None:
    net, tokenizer = stock(trained(write_reader, DOSE))
    told, prompts = table(biased, SUITE), texts(biased, SUITE)
    pairs = biased.table("pairs").set_index("pair_id")
    assert len(prompts) == 640
    for key in sorted(prompts)[::5]:
        read = Read(net, tokenizer, prompts[key])
        score, answer = read.best()
        assert told[*key, "answer"] == (pytest.approx(score, abs=1e-4), answer)
        one, other = (str(pairs.loc[key[0], name]) for name in ("completion_1", "completion_2"))
        odds = read.score(one) - read.score(other)
        assert told[*key, "completion_log_odds"][0] == pytest.approx(odds, abs=1e-4)


def test_the_model_answers_with_one_of_the_two(biased: RunFolder) -> None:
    pairs = biased.table("pairs").set_index("pair_id")
    answers = [
        (pair, said) for (pair, _, measure), (_, said) in table(biased, SUITE).items() if measure == "answer"
    ]
    named = [
        said in (pairs.loc[pair, "completion_1"], pairs.loc[pair, "completion_2"]) for pair, said in answers
    ]
    assert len(named) == 640
    assert sum(named) >= 0.99 * len(named)


def test_the_sign_follows_the_texts_and_not_the_names_of_the_arms(
    biased: RunFolder, trained: Trained, tmp_path: Path
) -> None:
    model = trained(write_reader, DOSE)
    told = audited(model, tmp_path / "told", reordered(SUITE, tmp_path), probes=PROBES)
    unchanged(biased, told, SUITE, "total_effect")
    back = audited(model, tmp_path / "back", exchanged(SUITE, tmp_path), probes=PROBES)
    mirrored(biased, back, SUITE, "total_effect")
    for run in (told, back):
        mirrored(biased, run, SUITE, "answer_score")
