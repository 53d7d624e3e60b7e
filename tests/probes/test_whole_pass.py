"""Whole passes of every family against patching one text at a time in a stock eager model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import HeadRecord, OutputRecord, Record
from probes import whole_passes
from probes.ablation import ablate
from probes.causal import CausalProbe
from probes.intervention import Intervention, Kind, Place
from probes.job import Job
from probes.perplexity import perplexities
from probes.preparation import prepare
from probes.scopes import heads_of, single_heads, whole_scopes
from probes.tails import SharedPrefix
from probes.whole_passes import WholePasses
from tests.probes.patching import (
    Case,
    case,
    edited_together,
    log_odds,
    one_by_one,
    pair,
    perplexity,
    row_of,
)

WHOLE = ["bert", "roberta", "modernbert", "debertav2", "t5", "bart", "bloom", "falcon", "gptj"]
LONGER = {"bert": (" old bridge", " river said"), "t5": (" doctor", " nurse said")}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    made: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in made:
            made[name] = case(name, tmp_path_factory.mktemp(name))
        return made[name]

    return get


def job_of(case: Case, one: Pair) -> Job:
    ((work,), reasons) = prepare(case.model, [one])
    assert reasons == {}
    return work.jobs[0]


def records(case: Case, *pairs: Pair, heads: HeadChoice | None = None) -> list[Record]:
    return list(CausalProbe().measure(case.model, pairs, RunConfig(), heads or HeadChoice()))


def tables(case: Case, *pairs: Pair) -> dict[tuple[str, str], Any]:
    """``(pair, measure)`` → table; measures of the predicting row lie in another stream of T5 and BART."""
    found: dict[tuple[str, str], Any] = {}
    for record in records(case, *pairs):
        if isinstance(record, HeadRecord):
            found |= {(record.pair_id, name): table for name, table in record.measures.items()}
    return found


def spots(case: Case, one: Pair) -> dict[str, tuple[str, int]]:
    """Suffix of a measure → stream and row in which it is read."""
    stream = "encoder" if "encoder" in case.streams else "self"
    found = {"": (stream, row_of(case, one.a.text, "She"))}
    if "cross" in case.streams:
        found["_next"] = ("cross", 0)
    elif case.model.family == "decoder":
        found["_next"] = ("self", len(case.model.encode(one.a.text).ids) - 1)
    return found


@pytest.mark.parametrize("name", WHOLE)
def test_effects_equal_one_by_one_patching(name: str, cases: Callable[[str], Case]) -> None:
    case = cases(name)
    one = pair(case, completions=LONGER.get(name, (" doctor", " nurse")))
    found, largest = tables(case, one), 0.0
    for suffix, (stream, row) in spots(case, one).items():
        for place in case.heads(stream):
            nie, nde = one_by_one(case, one, [place], {stream: [row]})
            assert found["p", f"nie{suffix}"][place[1:]] == pytest.approx(nie, abs=1e-4)
            assert found["p", f"nde{suffix}"][place[1:]] == pytest.approx(nde, abs=1e-4)
            largest = max(largest, abs(nie))
    assert largest > 4e-4


@pytest.mark.parametrize("name", WHOLE)
def test_effects_of_layers_and_of_the_model_equal_patching_them_together(
    name: str, cases: Callable[[str], Case]
) -> None:
    case = cases(name)
    one = pair(case)
    found = {record.measure: record for record in records(case, one) if isinstance(record, OutputRecord)}
    text = "encoder" if "encoder" in case.streams else "self"
    tokens = len(case.model.encode(one.a.text).ids)
    rows = {stream: range(1 if stream in ("decoder", "cross") else tokens) for stream in case.streams}
    layers, heads = case.streams[text]
    scopes = {f"layer:{n}": [(text, n, head) for head in range(heads)] for n in range(layers)}
    scopes["model"] = [place for stream in case.streams for place in case.heads(stream)]
    assert set(found) == {f"{effect}_{scope}" for effect in ("nie", "nde") for scope in scopes}
    largest = 0.0
    for scope, places in scopes.items():
        nie, nde = one_by_one(case, one, places, rows)
        assert found[f"nie_{scope}"].value == pytest.approx(nie, abs=1e-4)
        assert found[f"nde_{scope}"].value == pytest.approx(nde, abs=1e-4)
        assert found[f"nie_{scope}"].arm == "she"
        largest = max(largest, abs(nie))
    assert largest > 1e-3


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("kind", ["arms-mean", "uniform", "zero"])
def test_heads_edited_together_equal_both_texts_edited_by_hand(
    kind: Kind, name: str, cases: Callable[[str], Case]
) -> None:
    """Two heads where the pronoun is, one where the answer is predicted, in one set; beside an empty set."""
    case = cases(name)
    one = pair(case)
    chosen = {"": [(0, 1), (1, 3)], "_next": [(1, 0)]}
    rows = spots(case, one)
    edits = [(stream, *head, row) for suffix, (stream, row) in rows.items() for head in chosen[suffix]]
    sets = [HeadChoice(frozenset(), frozenset()), HeadChoice(*(frozenset(each) for each in chosen.values()))]
    (found,) = ablate(case.model, [one], sets, kind)
    assert found.log_odds is not None
    unedited = [log_odds(case, one, text.text) for text in (one.a, one.b)]
    np.testing.assert_allclose(found.log_odds[0], unedited, atol=1e-4)
    np.testing.assert_allclose(found.log_odds[1], unedited, atol=1e-4)
    np.testing.assert_allclose(found.log_odds[2], edited_together(case, one, edits, kind), atol=1e-4)
    assert np.abs(found.log_odds[2] - found.log_odds[0]).max() > 1e-4


@pytest.mark.parametrize("name", WHOLE)
def test_identical_texts_give_exactly_zero(name: str, cases: Callable[[str], Case]) -> None:
    case = cases(name)
    one = pair(case)
    same = replace(one, b=replace(one.b, text=one.a.text, swap=one.a.swap, mentions=one.a.mentions))
    found = tables(case, same)
    assert len(found) == (2 if case.model.family == "encoder" else 4)
    assert all((table == 0).all() for table in found.values())
    outputs = [record for record in records(case, same) if isinstance(record, OutputRecord)]
    assert outputs
    assert {record.value for record in outputs} == {0.0}


@pytest.mark.parametrize("name", WHOLE)
def test_exchanging_the_texts_flips_the_sign_and_a_batch_changes_nothing(
    name: str, cases: Callable[[str], Case]
) -> None:
    case = cases(name)
    pairs = [pair(case, "p"), pair(case, "q", (" baker", " bridge"))]
    together = tables(case, *pairs)
    for one in pairs:
        alone = tables(case, one)
        turned = tables(case, replace(one, a=one.b, b=one.a))
        for key, table in alone.items():
            np.testing.assert_allclose(table, together[key], atol=2e-5)
            if "nie" in key[1]:
                np.testing.assert_allclose(table, -turned[key], atol=2e-5)


@pytest.mark.parametrize("name", WHOLE)
def test_an_own_row_changes_nothing_and_no_edit_reaches_other_copies(
    name: str, cases: Callable[[str], Case]
) -> None:
    """A text alone is its own partner; beside it all heads of the model are cut off."""
    case = cases(name)
    job = job_of(case, pair(case))
    alone = replace(job, questions=job.questions[:1])
    own = whole_scopes(case.model, job)
    cut = replace(own["model"], kind="zero")
    nothing = Intervention(())
    y = WholePasses(case.model).log_odds([alone], [cut, *own.values(), nothing, cut])
    assert (y[2:-1] == y[0]).all()
    assert (y[[1, -1]] == y[1]).all()
    assert abs(y[1] - y[0]).max() > 1e-3
    y = WholePasses(case.model).log_odds([job], [cut, nothing])
    assert (y[2] == y[0]).all()


def test_both_engines_agree_on_a_decoder(cases: Callable[[str], Case]) -> None:
    case = cases("gpt2")
    model = case.model
    for completions in ((" doctor", " nurse"), (" doctor said", " nurse")):
        job = job_of(case, pair(case, completions=completions))
        assert job.following is not None
        edits = [
            replace(each, kind=kind)
            for kind in ("exchange", "arms-mean", "uniform", "zero")
            for spot in (job.following, job.pronoun)
            for each in single_heads(heads_of(model, "self", None), spot)
        ]
        edits += [Intervention((*edits[0].places, *edits[-1].places), "zero"), Intervention(())]
        edits += list(whole_scopes(model, job).values())
        tails, whole = (engine.log_odds([job], edits) for engine in (SharedPrefix(model), WholePasses(model)))
        np.testing.assert_allclose(tails, whole, atol=1e-4)
        assert np.abs(whole[1:] - whole[0]).max() > 1e-2


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
        ("bert", "an encoder (masked-lm) gives a text no perplexity"),
        ("t5", "an encoder-decoder (seq2seq-lm) gives a text no perplexity"),
    ],
)
def test_who_has_no_perplexity_says_so(name: str, reason: str, cases: Callable[[str], Case]) -> None:
    with pytest.raises(MeasurementError) as caught:
        perplexities(cases(name).model, ["the doctor"], [], "zero")
    assert str(caught.value) == reason


def test_streams_without_a_row_say_why(cases: Callable[[str], Case]) -> None:
    reasons = {
        (name, record.stream): record.reasons
        for name in ("bert", "t5")
        for record in records(cases(name), pair(cases(name)))
        if isinstance(record, HeadRecord)
    }
    assert reasons == {
        ("bert", "self"): {
            "nie_next": "an encoder looks both ways and has no row that predicts the next word"
        },
        ("t5", "encoder"): {
            "nie_next": "the row that predicts the answer's first word is the cross-attention's"
        },
        ("t5", "cross"): {
            "nie": "cross-attention is read from the row that predicts the first word of the answer"
        },
    }


def test_what_cannot_be_edited_is_an_error(cases: Callable[[str], Case]) -> None:
    case = cases("bert")
    job, engine = job_of(case, pair(case)), WholePasses(case.model)
    with pytest.raises(MeasurementError, match="self layer 7 has no attention that could be edited"):
        engine.log_odds([job], [Intervention((Place(7, 0, (1,)),))])
    with pytest.raises(MeasurementError, match="outputs of heads cannot be set in whole passes"):
        engine.log_odds([job], [Intervention((Place(0, 0, (1,)),), "mean")])
    with torch.no_grad():
        case.model.net.cls.predictions.bias[0] = math.nan
    try:
        with pytest.raises(MeasurementError, match="p: NaN or infinite logits under intervention"):
            engine.log_odds([job], [])
    finally:
        with torch.no_grad():
            case.model.net.cls.predictions.bias[0] = 0.0
