"""Whole passes of every family against patching one text at a time in a stock eager model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from audit.protocols import HeadChoice
from audit.records import OutputRecord
from probes.ablation import ablate
from probes.intervention import Intervention, Kind
from probes.scopes import heads_of, single_heads, whole_scopes
from probes.tails import SharedPrefix
from probes.whole_passes import WholePasses
from tests.probes.measured import job_of, records, spots, tables
from tests.probes.patching import (
    Case,
    edited_together,
    log_odds,
    one_by_one,
    pair,
)

WHOLE = ["bert", "roberta", "modernbert", "debertav2", "t5", "bart", "bloom", "falcon", "gptj"]
LONGER = {"bert": (" old bridge", " river said"), "t5": (" doctor", " nurse said")}


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
    assert len(found) == 4
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
