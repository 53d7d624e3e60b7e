"""The causal probe on whole pairs, against patching every head of the whole text one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.config import RunConfig
from audit.effects import ratio_effect, total_effect
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import HeadRecord, OutputRecord, Record
from probes.causal import CausalProbe
from probes.completions import completion_ids
from probes.model import LoadedModel
from probes.preparation import prepare
from probes.tails import SharedPrefix
from probes.whole_passes import WholePasses
from tests.probes import tiny
from tests.probes.test_branch import Edit, lend, oracle

CONFIG = RunConfig()


def records(model: LoadedModel, *pairs: Pair, heads: HeadChoice | None = None) -> list[Record]:
    return list(CausalProbe().measure(model, pairs, CONFIG, heads or HeadChoice()))


def measure(model: LoadedModel, *pairs: Pair, heads: HeadChoice | None = None) -> list[HeadRecord]:
    return [record for record in records(model, *pairs, heads=heads) if isinstance(record, HeadRecord)]


Places = Sequence[tuple[int, int]]


@torch.no_grad()
def log_odds(
    model: LoadedModel, pair: Pair, text: str, places: Places, rows: Sequence[int], donor: str | None
) -> float:
    """``log p(c_1) − log p(c_2)`` through whole texts, the whole vocabulary and another attention function.

    With a donor, the heads read the rows along the donor's attention.
    """
    totals = []
    for completion in pair.completions or ():
        start, ids = model.encode(text).ids, completion_ids(model, text, completion)
        edits: list[Edit] = []
        if donor is not None:
            _, lent = oracle(model.net, torch.tensor([[*model.encode(donor).ids, *ids[:-1]]]))
            edits = [lend(*place, tuple(rows), lent) for place in places]

        def edit(layer: int, weights: torch.Tensor, edits: list[Edit] = edits) -> None:
            for each in edits:
                each(layer, weights)

        hidden, _ = oracle(model.net, torch.tensor([[*start, *ids[:-1]]]), edit)
        logits = model.net.get_output_embeddings()(hidden[0]).log_softmax(-1)
        totals.append(sum(float(logits[len(start) - 1 + step, token]) for step, token in enumerate(ids)))
    return totals[0] - totals[1]


def one_by_one(model: LoadedModel, pair: Pair, rows: Sequence[int], places: Places) -> tuple[float, float]:
    """NIE and NDE of heads exchanged together, both directions, as methods 5 defines them."""
    a, b = pair.a.text, pair.b.text
    y_a, y_b = (log_odds(model, pair, text, places, rows, None) for text in (a, b))
    forward = log_odds(model, pair, b, places, rows, donor=a) - y_b
    nde = log_odds(model, pair, a, places, rows, donor=b) - y_b
    return (forward + (y_a - y_b) - nde) / 2, nde


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize(
    "names", [("nurse", "doctor"), ("hairdresser", "plumber")], ids=["single", "several"]
)
def test_effects_equal_one_by_one_patching(family: str, names: tuple[str, str]) -> None:
    model = tiny.decoder(family)
    pair = tiny.pair(*names)
    (record,) = measure(model, pair)
    tokens = model.encode(pair.a.text).tokens
    pronoun, last = [token.strip() for token in tokens].index("She"), len(tokens) - 1
    found = []
    for place in np.ndindex(model.layers, model.heads):
        for suffix, row in (("", pronoun), ("_next", last)):
            nie, nde = one_by_one(model, pair, [row], [place])
            assert record.measures[f"nie{suffix}"][place] == pytest.approx(nie, abs=1e-4)
            assert record.measures[f"nde{suffix}"][place] == pytest.approx(nde, abs=1e-4)
            found.append(abs(nie))
    assert max(found) > 1e-3


@pytest.mark.parametrize(
    "names", [("nurse", "doctor"), ("hairdresser", "plumber")], ids=["single", "several"]
)
def test_effects_of_layers_and_of_the_model_equal_patching_them_together(names: tuple[str, str]) -> None:
    model, pair = tiny.decoder(), tiny.pair(*names)
    found = {record.measure: record for record in records(model, pair) if isinstance(record, OutputRecord)}
    tokens = [token.strip() for token in model.encode(pair.a.text).tokens]
    rows = range(tokens.index("She"), len(tokens))
    layers = [[(layer, head) for head in range(model.heads)] for layer in range(model.layers)]
    scopes = {f"layer:{layer}": places for layer, places in enumerate(layers)}
    scopes["model"] = [place for places in layers for place in places]
    assert set(found) == {f"{effect}_{scope}" for effect in ("nie", "nde") for scope in scopes}
    for scope, places in scopes.items():
        nie, nde = one_by_one(model, pair, rows, places)
        assert found[f"nie_{scope}"].value == pytest.approx(nie, abs=1e-4)
        assert found[f"nde_{scope}"].value == pytest.approx(nde, abs=1e-4)
        assert found[f"nie_{scope}"].arm == "she"
        assert abs(nie) > 1e-3
    assert not any(
        isinstance(record, OutputRecord)
        for record in records(model, pair, heads=HeadChoice(frozenset({(0, 0)}), frozenset()))
    )


def test_the_ratio_form_equals_one_by_one_patching() -> None:
    # Vig et al.: y = p(c_1)/p(c_2), NIE = y(x; A_h of x')/y(x) − 1, NDE = y(x'; A_h of x)/y(x) − 1.
    model = tiny.decoder("gpt2")
    pairs = [tiny.pair("nurse", "doctor", name="p"), tiny.pair("nurse", "engineer", name="q", order=1)]
    for pair, record in zip(pairs, measure(model, *pairs), strict=True):
        a, b = pair.a.text, pair.b.text
        row = [token.strip() for token in model.encode(a).tokens].index("She")
        y_a, y_b = (log_odds(model, pair, text, [], [], None) for text in (a, b))
        for place in np.ndindex(model.layers, model.heads):
            patched = [log_odds(model, pair, text, [place], [row], donor) for text, donor in ((b, a), (a, b))]
            indirect, direct = (np.exp(y) / np.exp(y_b) - 1 for y in patched)
            nie, nde = record.measures["nie"][place], record.measures["nde"][place]
            forward = 2 * nie - total_effect(y_a, y_b) + nde
            assert float(ratio_effect(forward)) == pytest.approx(indirect, abs=1e-4)
            assert float(ratio_effect(nde)) == pytest.approx(direct, abs=1e-4)


def test_exchanging_the_texts_flips_the_sign_and_a_batch_changes_nothing() -> None:
    model = tiny.decoder()
    pairs = [tiny.pair("nurse", "doctor", name="p"), tiny.pair("nurse", "engineer", name="q", order=1)]
    alone = [measure(model, pair)[0] for pair in pairs]
    together = {record.pair_id: record for record in measure(model, *pairs)}
    turned = [measure(model, replace(pair, a=pair.b, b=pair.a))[0] for pair in pairs]
    for one, back in zip(alone, turned, strict=True):
        for name in ("nie", "nie_next"):
            np.testing.assert_allclose(one.measures[name], -back.measures[name], atol=1e-5)
            np.testing.assert_allclose(one.measures[name], together[one.pair_id].measures[name], atol=1e-5)


def test_renaming_arms_and_candidates_together_changes_nothing() -> None:
    model = tiny.decoder()
    pair = tiny.pair("nurse", "doctor")
    first, second = pair.completions or ("", "")
    renamed = replace(pair, a=pair.b, b=pair.a, completions=(second, first))
    for name in ("nie", "nie_next"):
        one, other = measure(model, pair)[0].measures[name], measure(model, renamed)[0].measures[name]
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_identical_texts_give_exactly_zero() -> None:
    model = tiny.decoder()
    pair = tiny.pair("nurse", "doctor")
    same = replace(pair, b=replace(pair.b, text=pair.a.text, swap=pair.a.swap, mentions=pair.a.mentions))
    (record,) = measure(model, same)
    assert set(record.measures) == {"nie", "nde", "nie_next", "nde_next"}
    assert all((values == 0).all() for values in record.measures.values())


def test_only_the_chosen_heads_are_measured() -> None:
    model = tiny.decoder()
    heads = HeadChoice(frozenset({(1, 2)}), frozenset())
    (record,) = measure(model, tiny.pair("nurse", "doctor"), heads=heads)
    assert np.argwhere(np.isfinite(record.measures["nie"])).tolist() == [[1, 2]]
    assert not np.isfinite(record.measures["nie_next"]).any()
    assert measure(model, tiny.pair(), heads=HeadChoice(frozenset(), frozenset())) == []


def test_rows_of_unequal_texts_are_not_exchanged() -> None:
    model = tiny.decoder()
    pair = tiny.pair("nurse", "doctor")
    longer = replace(pair.b, text=pair.b.text.replace("He said", "He said said"))
    (record,) = measure(model, replace(pair, b=longer))
    assert record.measures == {}
    assert record.reasons["nie"] == "attention rows cannot be exchanged: 13 against 14 tokens"


def test_a_pronoun_at_the_end_has_no_other_row() -> None:
    (record,) = measure(tiny.decoder(), tiny.pair("nurse", "doctor", tail=""))
    assert record.reasons == {"nie_next": "the pronoun's row is the predicting row"}
    assert np.isfinite(record.measures["nie"]).all()


def test_a_window_shorter_than_the_text_is_noticed() -> None:
    model, pair = tiny.decoder("mistral"), tiny.pair("nurse", "doctor")  # a window of 4 tokens
    ((work,), reasons) = prepare(model, [pair])
    assert reasons == {}
    assert isinstance(work.engine, WholePasses)
    assert (SharedPrefix(model).why_not(work.jobs[0]) or "").startswith(
        "tails are not exact on this model at this length (off by"
    )
    (record,) = measure(model, pair)
    assert np.isfinite(record.measures["nie"]).all()


def test_tokens_of_the_mention_that_are_alike_are_rows_of_it_too() -> None:
    """Of plumber and plums the first token is the same, and lies before the first difference."""
    model, pair = tiny.decoder(), tiny.pair("nurse", "doctor")
    texts = []
    for text, word in ((pair.a, "plumber"), (pair.b, "plums")):
        start, end = text.mentions["pronoun"]
        span = (start, start + len(word))
        changed = text.text[:start] + word + text.text[end:]
        texts.append(replace(text, text=changed, swap=(span,), mentions={"pronoun": span}))
    one = replace(pair, a=texts[0], b=texts[1])
    ((work,), _) = prepare(model, [one])
    assert isinstance(work.engine, SharedPrefix)
    (job,) = work.jobs
    rows = job.pronoun.rows
    a, b = (model.encode(text.text).ids for text in texts)
    assert len(rows) == 2
    assert a[rows[0]] == b[rows[0]]
    assert a[rows[1]] != b[rows[1]]
    (record,) = measure(model, one)
    for place in ((0, 0), (1, 2), (2, 3)):
        nie, nde = one_by_one(model, one, rows, [place])
        assert record.measures["nie"][place] == pytest.approx(nie, abs=1e-4)
        assert record.measures["nde"][place] == pytest.approx(nde, abs=1e-4)


@pytest.mark.parametrize("family", ["qwen2", "gpt-neox", "opt", "phi"])
def test_other_families_branch_exactly(family: str) -> None:
    model, pair = tiny.decoder(family), tiny.pair("nurse", "doctor")
    assert isinstance(prepare(model, [pair])[0][0].engine, SharedPrefix)
    (record,) = measure(model, pair)
    assert np.isfinite(record.measures["nie"]).all()
    assert np.abs(record.measures["nie"]).max() > 1e-4
