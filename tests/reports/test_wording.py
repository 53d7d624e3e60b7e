"""What the page says of its figures is true of them."""

from __future__ import annotations

import pytest

from audit.config import RunConfig
from audit.flagging import label_row
from audit.results import Estimate, Finding, HeadFinding, ModelInfo
from reports.figures.head_map import head_map_info
from reports.glossary import GLOSSARY
from reports.model_line import loaded_from, precision
from reports.numbers import level
from reports.output_rows import output_groups
from reports.wording import LABELS, quantity
from tests.reports.sample_audit import empty_audit
from tests.reports.sample_run import SELECTED

CERTAIN = "certain and large enough"
MEANINGS = {term.anchor: term.meaning for term in GLOSSARY}


def selected(value: float, low: float, high: float) -> Estimate:
    return Estimate(estimate=value, ci_low=low, ci_high=high, p_adjusted=0.026, method=SELECTED)


@pytest.mark.parametrize(
    ("named", "shown"), [("0.99954", "99.95 %"), ("0.99998", "99.998 %"), ("1.00000", "> 99.999 %")]
)
def test_another_level_is_named(named: str, shown: str) -> None:
    method = f"t; FCR-adjusted interval of level {named}; described"
    assert level(Estimate(ci_low=0.1, ci_high=0.2, method=method)) == shown


def test_the_usual_level_and_a_missing_interval_name_none() -> None:
    assert level(Estimate(ci_low=0.1, ci_high=0.2, method="t, false discovery rate 0.05")) == ""
    assert level(Estimate(estimate=0.1, method=SELECTED)) == ""


def test_pages_mark_the_intervals_of_selected_heads_and_only_those(pages: dict[str, str]) -> None:
    """Three carry, one opposes: bias and effect of each; their cells in the maps say the same."""
    assert pages["fail"].count('<span class="level">at 99.95 %</span>') == 8
    assert pages["fail"].count("] at 99.95 %, p") == 8
    assert "99.95 %" not in pages["pass"]
    assert "unless another level stands" in MEANINGS["interval"]


def test_map_names_the_level() -> None:
    head = HeadFinding(
        suite="s",
        contrast=("she", "he"),
        stream="self",
        layer=0,
        head=0,
        label="carries",
        flagged=True,
        bias=selected(0.1, 0.05, 0.15),
    )
    assert "[0.050, 0.150] at 99.95 %" in head_map_info([head], "bias").cells[0].title


def test_moves_does_not_deny_an_effect(pages: dict[str, str]) -> None:
    """A head whose effect is certain but may be too small is said to move, so the words must hold for it."""
    effect = selected(0.066, 0.004, 0.128)
    label, _ = label_row(selected(-0.023, -0.039, -0.008), effect, 0.026, RunConfig())
    assert label == "moves"
    for text in (LABELS["moves"], MEANINGS["moves"]):
        assert f"without an effect{' on the answer' * (text != LABELS['moves'])} that is {CERTAIN}" in text
    assert f'title="{LABELS["moves"]}"' in pages["fail"]
    for denied in ("without effect", "does not depend", "without a consistent look"):
        assert denied not in pages["fail"]


def test_acts_does_not_deny_a_shift() -> None:
    """A certain bias that is too small makes a head act, not one without any shift."""
    bias, effect = selected(0.015, 0.01, 0.02), selected(0.05, 0.02, 0.08)
    assert label_row(bias, effect, 0.9, RunConfig())[0] == "acts"
    assert CERTAIN in LABELS["acts"]
    assert CERTAIN in MEANINGS["acts"]


def test_means_of_groups_are_no_differences() -> None:
    common = {"suite": "s", "axis": "gender", "contrast": ("she", "he"), "measure": "generation_length"}
    values = {None: 0.1, "female": 13.4, "male": 13.3}
    findings = [Finding(**common, group=group, estimate=value) for group, value in values.items()]
    (group,) = output_groups(findings)
    difference, means = group.measures
    assert (difference.measure.name, difference.measure.signed) == ("Difference in length", True)
    assert (means.measure.name, means.measure.signed) == ("Mean length", False)
    assert [row.name for row in means.rows] == ["Pairs under test, female", "Pairs under test, male"]
    assert quantity(means.key, 13.4, signed=means.measure.signed) == "13.400"
    assert 'class="zero"' not in means.rows[0].svg


def model(name: str, *files: str) -> ModelInfo:
    hashes = dict.fromkeys(files, "ab" * 32)
    return empty_audit().model.model_copy(update={"name": name, "hashes": hashes})


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1 weights, computed in float32"),
        ("llama-3-8b-Q4_K_M-00001-of-00002.gguf", "Q4_K_M weights, computed in float32"),
        ("model-iq3_xxs.GGUF", "IQ3_XXS weights, computed in float32"),
        ("qwen2-f16.gguf", "F16 weights, computed in float32"),
        ("Qwen2-7B.gguf", "GGUF weights, computed in float32"),
        ("model.safetensors", "computed in float32"),
    ],
)
def test_model_line_tells_stored_weights_and_computation(file: str, said: str) -> None:
    assert precision(model("demo", file, "tokenizer.json")) == said


def test_model_line_names_the_file_unless_the_name_does() -> None:
    assert loaded_from(model("demo", "a.Q4_1.gguf")) == "a.Q4_1.gguf"
    assert loaded_from(model("models/a.Q4_1.gguf", "a.Q4_1.gguf")) is None
    assert loaded_from(model("demo", "model.safetensors")) is None
