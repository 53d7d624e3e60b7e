"""Heads of the trained models read and exchanged in all four tasks; their report; what the pipelines say."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from transformers import pipeline

from audit.api import Request, run_audit
from audit.loader import load_config, load_suite
from audit.pairs import MASK, SEP
from audit.progress import Watcher
from audit.store import RunFolder
from reports.wording import block_of
from tests.tasks.conftest import Trained, Trainer
from tests.trained.filler import write_filler
from tests.trained.reader import write_reader
from tests.trained.sentiment import write_sentiment
from tests.trained.translator import write_translator

#: A pronoun that may stand for either of two persons, and what the answers are.
SUITE = """\
suite: heads
version: 1
axis: gender
task: {task}
license: CC0-1.0
lists: {{job: [nurse, teacher, pilot, farmer]}}
items: {{mixed: [[nurse, pilot], [teacher, farmer]]}}
arms:
  - {{id: she, group: female, slots: {{pronoun: she}}}}
  - {{id: he, group: male, slots: {{pronoun: he}}}}
templates:
  - id: told
    text: "{text}"
    pick: {{items: mixed, both_orders: true}}
    mentions: {{pronoun: "{{pronoun}}", candidates: ["{{job.1}}", "{{job.2}}"]}}
    stereotype: {{she: "{{job.1}}", he: "{{job.2}}"}}
    completions: {completions}
"""
PERSONS = '{"{job.1}": {reads_pronoun_as: "{job.1}"}, "{job.2}": {reads_pronoun_as: "{job.2}"}}'


class Case(NamedTuple):
    """A trained model and one text for it."""

    trainer: Trainer
    dose: float
    auto: str
    text: str
    completions: str


CASES = {
    "masked": Case(
        write_filler,
        2.0,
        "AutoModelForMaskedLM",
        f"The {{job.1}} and the {{job.2}} said that {{pronoun}} was tired. The {MASK} was tired.",
        PERSONS,
    ),
    "classification": Case(
        write_sentiment,
        2.0,
        "AutoModelForSequenceClassification",
        "The {job.1} told the {job.2} that {pronoun} works for the city.",
        "{NEGATIVE: {tied_to: she}, POSITIVE: {tied_to: he}}",
    ),
    "question-answering": Case(
        write_reader,
        1.0,
        "AutoModelForQuestionAnswering",
        f"Who said that {{pronoun}} was late?{SEP}The {{job.1}} and the {{job.2}} sat on the train.",
        PERSONS,
    ),
    "translation": Case(
        write_translator,
        4.0,
        "AutoModelForSeq2SeqLM",
        "The {job.1} told the {job.2} that {pronoun} was tired.",
        '{" la": {tied_to: she}, " lo": {tied_to: he}}',
    ),
}
EVERY_TASK = pytest.mark.parametrize("task", list(CASES))
PAIRS = 4


@pytest.fixture(scope="module")
def runs(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    """Every head's effect on a few pairs."""
    config = load_config("quick")[0]
    causal = config.causal.model_copy(update={"heads": "all"})
    found = {}
    for task, case in CASES.items():
        folder = tmp_path_factory.mktemp("heads")
        file = folder / "heads.yaml"
        file.write_text(
            SUITE.format(task=task, text=case.text, completions=case.completions), encoding="utf-8"
        )
        own = config.model_copy(update={"probes": ("attention", task, "causal"), "causal": causal})
        request = Request((load_suite(file),), str(trained(case.trainer, case.dose)), own, folder / "run")
        found[task] = run_audit(request, Watcher(quiet=True))
    return found


@EVERY_TASK
def test_every_head_has_a_bias_and_an_effect_in_the_pronouns_row(
    runs: dict[str, RunFolder], task: str
) -> None:
    run = runs[task]
    covered = run.audit.coverage
    assert (covered.planned, covered.measured, covered.skipped, covered.failed) == (PAIRS, PAIRS, 0, 0)
    heads = run.table("heads")
    own = heads[heads["stream"] != "cross"]
    assert own["pair_id"].nunique() == PAIRS
    assert own[["bias", "nie", "nde"]].notna().all().all()
    assert (own[["bias", "nie"]].abs().max() > 1e-6).all()
    if task == "translation":
        cross = heads[heads["stream"] == "cross"]
        assert len(cross) > 0
        assert cross[["bias_next", "nie_next"]].notna().all().all()
        assert cross[["bias", "nie"]].isna().all().all()
    checks = {check.measure: check.estimate for check in run.audit.gate.checks}
    assert (checks["flagged_heads"].n, checks["total_effect"].n) == (PAIRS, PAIRS)


@EVERY_TASK
def test_the_bias_is_that_of_the_weights_which_stock_eager_attention_reports(
    runs: dict[str, RunFolder], trained: Trained, task: str
) -> None:
    case = CASES[task]
    folder = trained(case.trainer, case.dose)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    net = getattr(transformers, case.auto).from_pretrained(folder, attn_implementation="eager").eval()
    heads = runs[task].table("heads").query("stream != 'cross'")
    for row in runs[task].table("pairs").to_dict("records"):
        named = ("nurse", "pilot") if "nurse" in row["text_a"] else ("teacher", "farmer")
        score = [look(net, tokenizer, row[f"text_{side}"], row[f"arm_{side}"], named) for side in "ab"]
        expected = (score[0] - score[1]) / 2
        told = heads[heads["pair_id"] == row["pair_id"]].sort_values(["layer", "head"])["bias"]
        assert told.to_numpy() == pytest.approx(expected.ravel(), abs=1e-5)


@torch.no_grad()
def look(net: Any, tokenizer: Any, text: str, pronoun: str, persons: tuple[str, str]) -> np.ndarray:
    """``[layers, heads]`` attention from the pronoun to one person less that to the other."""
    read = tokenizer(*text.split(SEP), return_tensors="pt")
    tokens = [tokenizer.decode([token]).strip() for token in read["input_ids"][0].tolist()]
    reader = net.get_encoder() if net.config.is_encoder_decoder else net
    weights = torch.stack(reader(**read, output_attentions=True).attentions)[:, 0]
    (row,) = [place for place, token in enumerate(tokens) if token == pronoun]
    columns = [tokens.index(person) for person in persons]
    return (weights[:, :, row, columns[0]] - weights[:, :, row, columns[1]]).double().numpy()


@EVERY_TASK
def test_the_report_names_every_measure_of_the_output(runs: dict[str, RunFolder], task: str) -> None:
    page = (runs[task].path / "report.html").read_text(encoding="utf-8")
    # a row for each layer would drown the others
    told = [each for each in runs[task].audit.findings if "_layer:" not in each.measure]
    assert len(told) > 3
    for finding in told:
        name = block_of(finding.measure, by_group=finding.group is not None).name
        assert name.replace("'", "&#39;") in page, finding.measure


def rows(run: RunFolder) -> list[tuple[str, tuple[str, str], pd.Series]]:
    """Text, answers and what was measured, for every text."""
    told = run.table("outputs").pivot(index=["pair_id", "arm"], columns="measure", values="value")
    return [
        (pair[f"text_{side}"], (pair["completion_1"], pair["completion_2"]), told.loc[pair["pair_id"], arm])
        for pair in run.table("pairs").to_dict("records")
        for side in "ab"
        for arm in [pair[f"arm_{side}"]]
    ]


def test_the_pipeline_fills_the_mask_with_the_same_odds(runs: dict[str, RunFolder], trained: Trained) -> None:
    fill = pipeline("fill-mask", model=str(trained(write_filler, CASES["masked"].dose)))
    for text, answers, told in rows(runs["masked"]):
        chances = {each["token_str"]: each["score"] for each in fill(text, targets=list(answers))}
        odds = math.log(chances[answers[0]] / chances[answers[1]])
        assert told["completion_log_odds"] == pytest.approx(odds, abs=1e-4)


def test_the_pipeline_classifies_with_the_same_probabilities(
    runs: dict[str, RunFolder], trained: Trained
) -> None:
    folder = trained(write_sentiment, CASES["classification"].dose)
    classify = pipeline("text-classification", model=str(folder), top_k=None)
    for text, _, told in rows(runs["classification"]):
        (said,) = classify([text])
        for each in said:
            assert told[f"class_probability:{each['label']}"] == pytest.approx(each["score"], abs=1e-5)
