"""The self-test passes on sound models and fails when what it guards is broken."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from audit.results import SelfTestStep
from probes import attention_call, route, row_padding, selftest
from probes.attention_call import AttentionCall
from probes.model import LoadedModel
from probes.selftest import self_test
from tests.probes import tiny

STEPS = (
    "logits are numbers",
    "logits equal stock SDPA",
    "every attention layer seen",
    "captured rows equal eager attention",
    "logits equal eager attention",
    "rows look only to the left",
    "an edit of nothing changes nothing",
    "a real edit moves the logits",
    "edits of one copy leave the others alone",
    "padding and batch order",
    "log-probabilities equal those of the logits",
)


def failing(steps: tuple[SelfTestStep, ...]) -> list[str]:
    return [step.name for step in steps if not step.passed]


def test_the_demo_passes_every_step(demo: LoadedModel) -> None:
    steps = self_test(demo)
    assert tuple(step.name for step in steps) == STEPS
    assert failing(steps) == []
    values = {step.name: step.value for step in steps}
    assert values["logits equal stock SDPA"] == 0.0
    assert values["captured rows equal eager attention"] <= 1e-5
    assert values["every attention layer seen"] == 30


def test_it_says_which_engine_edits(model: LoadedModel) -> None:
    notes = {
        family: next(step.note for step in self_test(each) if step.name == STEPS[-3])
        for family, each in {"llama": model, "mistral": tiny.decoder("mistral")}.items()
    }
    assert notes["llama"] == (
        "interventions: tails over a shared prefix; whole passes, each text once per intervention, where these are "
        "not exact"
    )
    assert notes["mistral"].startswith(
        "interventions: whole passes, each text once per intervention (tails are not exact on this model at this "
        "length (off by "
    )


def test_edits_that_reach_other_copies_are_noticed(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = AttentionCall.edited
    monkeypatch.setattr(
        AttentionCall,
        "edited",
        lambda call, places, weights: right(
            call, places._replace(texts=(places.texts + 1) % call.shape[0]), weights
        ),
    )
    assert failing(self_test(model)) == ["edits of one copy leave the others alone"]


def test_the_route_is_restored(model: LoadedModel) -> None:
    self_test(model)
    assert model.net.config._attn_implementation == route.ROUTE


def test_nan_logits_end_the_test() -> None:
    model = tiny.decoder()
    with torch.no_grad():
        model.net.lm_head.weight[5] = float("nan")
    (step,) = self_test(model)
    assert (step.name, step.passed) == ("logits are numbers", False)
    assert step.note == "the logits hold NaN or infinite values"


def test_wrong_rows_are_noticed(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    right = AttentionCall.rows
    monkeypatch.setattr(AttentionCall, "rows", lambda call, rows: right(call, rows) * 1.001)
    assert failing(self_test(model)) == ["captured rows equal eager attention"]


def test_a_route_that_is_not_sdpa_is_noticed(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    right = attention_call.sdpa_attention_forward

    def shifted(*given: Any, **kwargs: Any) -> Any:
        output, weights = right(*given, **kwargs)
        return output * 1.01, weights

    monkeypatch.setattr(attention_call, "sdpa_attention_forward", shifted)
    assert "logits equal stock SDPA" in failing(self_test(model))


def test_layers_that_bypass_the_route_are_noticed(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = selftest.reported_attention
    monkeypatch.setattr(selftest, "reported_attention", lambda given: {"self": right(given)["self"][:2]})
    assert failing(self_test(model)) == ["every attention layer seen"]


def test_a_lost_padding_mask_is_noticed(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def reversed_padding(*given: Any) -> Any:
        ids, mask = row_padding.pad_right(*given)
        return ids, None if mask is None else torch.ones_like(mask).cumsum(1).remainder(2)

    monkeypatch.setattr(selftest, "pad_right", reversed_padding)
    assert failing(self_test(model)) == ["padding and batch order"]


def test_wrong_log_probabilities_are_noticed(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    right = selftest.log_probabilities
    monkeypatch.setattr(selftest, "log_probabilities", lambda *given: right(*given) + 0.01)
    assert failing(self_test(model)) == ["log-probabilities equal those of the logits"]


def test_a_mask_that_shows_what_comes_later_is_noticed(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AttentionCall, "_masked", lambda call, scores, rows, queries: scores)
    assert failing(self_test(model)) == [
        "captured rows equal eager attention",
        "rows look only to the left",
    ]
