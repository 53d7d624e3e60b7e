"""A task that the model has no head for is refused before anything is measured, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.cli import main
from probes.model import Head
from tests.conftest import Told
from tests.folders import listing
from tests.tiny_suite import write_suite
from tests.trained.planted import SUITES

#: Task → its suite, and the head that it needs.
TASKS = {
    "masked": ("masked-jobs", "masked-lm"),
    "classification": ("names-sentiment", "sequence-classification"),
    "question-answering": ("who-said", "question-answering"),
    "translation": ("translated-jobs", "seq2seq-lm"),
}
#: Head → a class with it; the causal model is the tiny one of all tests.
CLASSES: dict[Head, str] = {
    "masked-lm": "BertForMaskedLM",
    "sequence-classification": "BertForSequenceClassification",
    "question-answering": "BertForQuestionAnswering",
    "seq2seq-lm": "BartForConditionalGeneration",
    "causal-lm": "LlamaForCausalLM",
}
REFUSED: list[tuple[str, Head]] = [
    (task, head) for task, (_, needed) in TASKS.items() for head in CLASSES if head != needed
]
Models = Callable[[Head], Path]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Folders of tiny untrained models by their heads."""
    from tests.probes.answering import answering
    from tests.tiny_model import write_model

    made: dict[Head, Path] = {}

    def get(head: Head) -> Path:
        if head not in made:
            folder = tmp_path_factory.mktemp(head)
            if head == "causal-lm":
                made[head] = write_model(folder)
                return folder
            model = answering(CLASSES[head], head)
            model.net.save_pretrained(folder)
            model.tokenizer.save_pretrained(folder)
            made[head] = folder
        return made[head]

    return get


@pytest.mark.parametrize(("task", "head"), REFUSED)
def test_a_suite_needs_a_model_with_its_head(told: Told, models: Models, task: str, head: Head) -> None:
    suite, needed = TASKS[task]
    message = told(
        "run", str(SUITES / f"{suite}.yaml"), "--model", str(models(head)), "--out", "run", "--quiet"
    )
    assert len(message.splitlines()) == 1
    for part in (f"{suite}.yaml:", f"'{task}'", f"'{needed}'", f"'{head}'", str(models(head))):
        assert part in message


def test_every_suite_that_does_not_fit_is_named_and_no_other(told: Told, models: Models) -> None:
    tasks = ("masked", "classification", "question-answering")
    suites = [str(SUITES / f"{TASKS[task][0]}.yaml") for task in tasks]
    lines = told("run", *suites, "--model", str(models("masked-lm")), "--out", "run", "--quiet").splitlines()
    assert len(lines) == 2
    assert not any("masked-jobs" in line for line in lines)
    assert all(f"'{task}'" in line for task, line in zip(tasks[1:], lines, strict=True))


def test_nothing_is_measured_of_a_suite_that_does_fit(
    told: Told, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*given: Any, **named: Any) -> Any:
        raise AssertionError("measured")

    monkeypatch.setattr("audit.runner.measure", measure)
    suites = [str(SUITES / f"{suite}.yaml") for suite in ("masked-jobs", "who-said")]
    message = told("run", *suites, "--model", str(models("masked-lm")), "--out", "run", "--quiet")
    assert "who-said" in message


@pytest.mark.parametrize("marker", ["[MASK]", "[SEP]"])
@pytest.mark.parametrize("head", ["causal-lm", "seq2seq-lm"])
def test_a_marker_that_the_model_has_no_use_for_is_refused(
    told: Told, models: Models, tmp_path: Path, head: Head, marker: str
) -> None:
    task = "completion" if head == "causal-lm" else "translation"
    write_suite(
        tmp_path,
        f"""\
suite: marked
version: 1
axis: gender
task: {task}
arms:
  - {{id: she, group: female, value: nurse}}
  - {{id: he, group: male, value: doctor}}
templates:
  - id: late
    text: "The {{job}} said that {marker} was late"
    completions: {{" she": {{tied_to: she}}, " he": {{tied_to: he}}}}
""",
        "marked.yaml",
    )
    message = told("run", "marked.yaml", "--model", str(models(head)), "--out", "run", "--quiet")
    assert len(message.splitlines()) == 1
    assert marker in message
    assert f"'{head}'" in message
    assert str(models(head)) in message


def test_a_run_that_was_there_before_is_left_as_it_was(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_suite(tmp_path)
    suite = str(SUITES / "who-said.yaml")
    fits = ["run", suite, "--model", str(models("question-answering")), "--limit", "4", "--out", "run"]
    assert main([*fits, "--quiet"]) == 3
    before = listing(tmp_path)
    assert any("audit.json" in str(name) for name in before)
    assert main(["run", suite, "--model", str(models("masked-lm")), "--out", "run", "--quiet"]) == 2
    assert listing(tmp_path) == before
    assert "'question-answering'" in capsys.readouterr().err
