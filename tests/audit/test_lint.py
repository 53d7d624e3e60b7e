"""What lint finds, and that it is silent about a good suite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audit.lint import lint
from audit.loader import load_suite
from tests.audit.suite_text import ARMS, HEAD, ITEMS, SEED, TEMPLATE, loaded

WHOLE = HEAD + ARMS + ITEMS + TEMPLATE + "controls: [{id: same, items: mixed, both_orders: true}]\n"


def rules(folder: Path, text: str) -> set[str]:
    return {finding.rule for finding in lint(loaded(folder, text))}


def test_a_small_good_suite_only_lacks_levels(tmp_path: Path) -> None:
    text = WHOLE.replace("items:\n", "items:\n  women: [[nurse, teacher]]\n").replace(
        "same, items: mixed", "same, items: women"
    )
    findings = lint(loaded(tmp_path, text))
    assert [str(finding).replace(f"{tmp_path}/", "") for finding in findings] == [
        f"jobs.yaml:14: warning: too few {noun} for the contrast she–he (got {count}); "
        "expected at least 20 to see an effect"
        for noun, count in (("items", 2), ("templates", 1))
    ]


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("expands", '{pronoun: "{Pronoun}"', '{pronoun: "{pronoun}"'),
        ("first-word", "The {job.1} met", "{job.1} met"),
        (
            "candidate-behind",
            "met the {job.2}. {Pronoun} said that the",
            ". {Pronoun} met the {job.2}. It was a",
        ),
        ("missing-mention", 'pronoun: "{Pronoun}", ', ""),
        ("orders", "items: mixed, both_orders: true}\n    mentions", "items: mixed}\n    mentions"),
        ("controls", "controls: [{id: same, items: mixed, both_orders: true}]\n", ""),
        ("duplicate", "same, items", "same, items"),
        ("overlapping-items", "[teacher, farmer]", "[nurse, farmer]"),
        ("group-word", "said that the", "said that her"),
        ("group-word", "said that the", "said: he"),
        ("article", "The {job.1} met", "An {job.1} met"),
        ("spaces", "said that the", "said that the "),
        ("spaces", '" {job.2}":', '"{job.2}":'),
        (
            "balance",
            "{items: mixed, both_orders: true}\n",
            "{items: mixed, design: latin_square, per_template: 1, both_orders: true}\n",
        ),
    ],
)
def test_each_rule_finds_its_fault(tmp_path: Path, rule: str, old: str, new: str) -> None:
    assert old in WHOLE
    assert rule in rules(tmp_path, WHOLE.replace(old, new))


@pytest.mark.parametrize(
    ("task", "told"), [("question-answering", False), ("translation", False), ("classification", True)]
)
def test_only_a_decoder_misses_a_candidate_behind_the_pronoun(tmp_path: Path, task: str, told: bool) -> None:
    text = WHOLE.replace("met the {job.2}. {Pronoun} said that the", "saw {pronoun} [SEP] The {job.2} did.")
    text = text.replace("task: coreference", f"task: {task}").replace('"{Pronoun}"', '"{pronoun}"')
    assert ("candidate-behind" in rules(tmp_path, text)) is told


def test_a_candidate_at_the_first_word_is_an_error(tmp_path: Path) -> None:
    found = lint(loaded(tmp_path, WHOLE.replace("The {job.1} met", "{job.1} met")))
    (finding,) = [finding for finding in found if finding.rule == "first-word"]
    assert str(finding).replace(f"{tmp_path}/", "") == (
        "jobs.yaml:13: error: a candidate is the first word, where every head looks; expected a word "
        "before it "
        "(got 'nurse met the pilot. She said that the')"
    )


def test_a_pair_that_differs_twice_is_found(tmp_path: Path) -> None:
    assert "more-than-one-difference" not in rules(tmp_path, HEAD + ARMS + SEED)
    twice = SEED.replace(
        'he: "The Doctor asked the Nurse a question. He', 'he: "The Doctor asked the Nurse a riddle. He'
    )
    found = [finding for finding in lint(loaded(tmp_path, HEAD + ARMS + twice)) if "riddle" in str(finding)]
    assert [str(finding).replace(f"{tmp_path}/", "") for finding in found] == [
        "jobs.yaml:9: warning: the texts also differ in 'riddle'; expected one difference, the pronoun "
        "(got 'The Doctor asked the Nurse a riddle. He')"
    ]


def test_every_fault_of_a_broken_suite_is_told(tmp_path: Path) -> None:
    broken = (
        HEAD + ARMS + SEED.replace("[She, He]", "[Sie, Er]").replace("[Doctor, Nurse]", "[Doctor, Nurses]")
    )
    broken = broken.replace("she: Nurse", "she: Nurses")
    findings = lint(loaded(tmp_path, broken))
    assert {finding.severity for finding in findings} == {"error"}
    assert len(findings) == 2


def test_a_suite_whose_heads_cannot_be_tested_is_told() -> None:
    quick = load_suite("quickstart")
    unscored = tuple(t.model_copy(update={"completions": {}}) for t in quick.suite.templates)
    bare = replace(quick, suite=quick.suite.model_copy(update={"templates": unscored}))
    assert "unflaggable" in {finding.rule for finding in lint(bare)}


@pytest.mark.parametrize(
    ("task", "text", "told"),
    [
        ("masked", "It was {who} who left.", "the completions need one place to fill; expected one [MASK]"),
        (
            "masked",
            "[MASK] saw {who} and [MASK].",
            "the completions need one place to fill; expected one [MASK]",
        ),
        ("masked", "It was {who} who left [MASK].", None),
        ("completion", "It was {who} who left [MASK].", "nothing fills [MASK]"),
        ("question-answering", "It was {who} who left.", "question and context cannot be told apart"),
        ("question-answering", "Who left? [SEP] It was {who}.", None),
        ("translation", "Who left? [SEP] It was {who}.", "a text of the task 'translation' has no parts"),
        ("classification", "Who left? [SEP] It was {who}.", None),
    ],
)
def test_markers_stand_where_the_task_has_a_use_for_them(
    tmp_path: Path, task: str, text: str, told: str | None
) -> None:
    suite = f"""suite: marks
version: 1
axis: gender
task: {task}
arms:
  - {{id: she, group: female, slots: {{who: Ann}}}}
  - {{id: he, group: male, slots: {{who: Bob}}}}
templates:
  - id: left
    text: {text!r}
    completions: {{" early": {{tied_to: she}}, " late": {{tied_to: he}}}}
"""
    found = [str(finding) for finding in lint(loaded(tmp_path, suite)) if finding.rule == "markers"]
    assert len(found) == (told is not None)
    assert all("marks.yaml" in one or "error: " in one for one in found)
    assert told is None or told in found[0]
