"""Which engine runs what, what it costs, and what it says where it cannot."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from audit.errors import MeasurementError
from audit.records import HeadRecord, OutputRecord
from probes import whole_passes
from probes.intervention import Intervention, Kind, Place
from probes.perplexity import perplexities
from probes.preparation import prepare
from probes.tails import SharedPrefix
from probes.whole_passes import WholePasses
from tests.probes.measured import job_of, records, spots, tables
from tests.probes.patching import (
    Case,
    one_by_one,
    pair,
    perplexity,
    row_of,
)


@pytest.mark.parametrize("name", ["mistral", "gpt2", "gptbigcode", "qwen3next"])
def test_decoders_are_run_by_the_first_engine_that_is_exact(name: str, cases: Callable[[str], Case]) -> None:
    """A window of 4 tokens, a batch that must not grow, layers without attention."""
    case = cases(name)
    one = pair(case)
    ((work,), _) = prepare(case.model, [one])
    assert isinstance(work.engine, SharedPrefix if name == "gpt2" else WholePasses)
    found = tables(case, one)
    if name == "qwen3next":  # the stock model's matrices are not one per layer
        return
    for suffix, (stream, row) in spots(case, one).items():
        for place in case.heads(stream):
            nie, nde = one_by_one(case, one, [place], {stream: [row]})
            assert found["p", f"nie{suffix}"][place[1:]] == pytest.approx(nie, abs=1e-4)
            assert found["p", f"nde{suffix}"][place[1:]] == pytest.approx(nde, abs=1e-4)


def test_layers_without_attention_stay_undefined(cases: Callable[[str], Case]) -> None:
    case = cases("qwen3next")
    missing = list(case.model.anatomy.missing("self"))
    found = records(case, pair(case))
    (heads,) = (record for record in found if isinstance(record, HeadRecord))
    there = [layer for layer in range(case.model.layers) if layer not in missing]
    assert missing
    for table in heads.measures.values():
        assert np.isnan(table[missing]).all()
        assert np.isfinite(table[there]).all()
    outputs = {record.measure: record for record in found if isinstance(record, OutputRecord)}
    assert set(outputs) == {
        f"{e}_{s}" for e in ("nie", "nde") for s in (*(f"layer:{n}" for n in there), "model")
    }
    assert (outputs["nie_model"].value, outputs["nie_model"].reason) == (
        None,
        "some layers have no attention by token, so that not all attention can be exchanged",
    )


def test_rows_behind_several_masks_are_found(cases: Callable[[str], Case]) -> None:
    """The answers fill two masks, so that the pronoun's row lies one further than in the text."""
    case = cases("bert")
    one = pair(
        case,
        completions=(" old bridge", " river said"),
        template="the [MASK] asked the doctor a question . {} said",
    )
    row = row_of(case, one.a.text, "She") + 1
    assert job_of(case, one).pronoun == ("self", (row,))
    found = tables(case, one)
    for place in case.heads("self"):
        nie, _ = one_by_one(case, one, [place], {"self": [row]})
        assert found["p", "nie"][place[1:]] == pytest.approx(nie, abs=1e-4)


def test_work_that_does_not_fit_into_one_pass_gives_the_same(
    cases: Callable[[str], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = cases("bert")
    pairs = [pair(case, "p"), pair(case, "q", (" baker", " bridge"))]
    whole = tables(case, *pairs)
    widths = []
    forward = whole_passes.forward

    def counted(net: Any, ids: torch.Tensor, *args: Any, **options: Any) -> Any:
        widths.append(len(ids))
        return forward(net, ids, *args, **options)

    monkeypatch.setattr(whole_passes, "forward", counted)
    monkeypatch.setattr(whole_passes, "_POSITIONS", 6 * 20)
    found = tables(case, *pairs)
    assert max(widths) <= 8
    assert len(widths) >= 8
    for key, table in whole.items():
        np.testing.assert_allclose(table, found[key], atol=2e-5)


@pytest.mark.parametrize("name", ["bert", "debertav2", "bart", "bloom"])
def test_only_the_answers_place_meets_the_vocabulary(
    name: str, cases: Callable[[str], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = cases(name)
    shapes = []
    scores = whole_passes.log_scores

    def seen(model: Any, output: Any) -> torch.Tensor:
        shapes.append(tuple(output.logits.shape))
        return scores(model, output)

    job = job_of(case, pair(case))
    monkeypatch.setattr(whole_passes, "log_scores", seen)
    WholePasses(case.model).log_odds([job], [Intervention(())])
    assert {shape[:2] for shape in shapes} == {(4, 1)}


@pytest.mark.parametrize("kind", ["zero", "uniform"])
@pytest.mark.parametrize("name", ["bloom", "falcon", "mistral"])
def test_perplexity_equals_whole_texts_edited_by_hand(
    kind: Kind, name: str, cases: Callable[[str], Case]
) -> None:
    case = cases(name)
    texts = ["the doctor told the nurse .", "On Monday the engineer asked a question ."]
    chosen = [(0, 1), (1, 3)]
    found = perplexities(case.model, texts, [frozenset(chosen), frozenset({(1, 1)})], kind)
    assert found[0] == pytest.approx(perplexity(case, texts, [], kind), rel=1e-4)
    assert found[1] == pytest.approx(perplexity(case, texts, chosen, kind), rel=1e-4)
    assert len(set(found.round(3))) == 3


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bert", "perplexity needs a decoder with a language-model head (got encoder, masked-lm)"),
        ("t5", "perplexity needs a decoder with a language-model head (got encoder-decoder, seq2seq-lm)"),
    ],
)
def test_who_has_no_perplexity_says_so(name: str, reason: str, cases: Callable[[str], Case]) -> None:
    with pytest.raises(MeasurementError) as caught:
        perplexities(cases(name).model, ["the doctor"], [], "zero")
    assert str(caught.value) == reason


def test_streams_without_a_row_say_why(cases: Callable[[str], Case]) -> None:
    case = cases("t5")
    found = [record for record in records(case, pair(case)) if isinstance(record, HeadRecord)]
    assert {record.stream: record.reasons for record in found} == {
        "encoder": {"nie_next": "the row that predicts the answer's first word is the cross-attention's"},
        "cross": {"nie": "cross-attention is read from the row that predicts the first word of the answer"},
    }


def test_what_cannot_be_edited_is_an_error(cases: Callable[[str], Case]) -> None:
    case = cases("bert")
    job, engine = job_of(case, pair(case)), WholePasses(case.model)
    with pytest.raises(MeasurementError, match="self layer 7 has no attention that could be edited"):
        engine.log_odds([job], [Intervention((Place(7, 0, (1,)),))])
    bloom, place = cases("bloom"), Place(0, 0, (1,))
    with pytest.raises(MeasurementError, match="outputs of heads cannot be set: this family bypasses the"):
        WholePasses(bloom.model).log_odds(
            [job_of(bloom, pair(bloom))], [Intervention((place,), "mean", {place: torch.zeros(8)})]
        )
    with torch.no_grad():
        case.model.net.cls.predictions.bias[0] = math.nan
    try:
        with pytest.raises(MeasurementError, match="p: NaN or infinite logits under intervention"):
            engine.log_odds([job], [])
    finally:
        with torch.no_grad():
            case.model.net.cls.predictions.bias[0] = 0.0
