"""Head measures: against a slow reckoning from eager attention, and the symmetries they must have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from audit.config import RunConfig
from audit.pairs import CANDIDATE_1, CANDIDATE_2, PRONOUN, Pair, Text
from audit.protocols import HeadChoice
from audit.records import HeadRecord
from probes.attention import AttentionProbe
from probes.model import LoadedModel
from probes.route import ROUTE
from tests.probes import tiny

PROBE = AttentionProbe()


def measure(model: LoadedModel, *pairs: Pair) -> list[HeadRecord]:
    return list(PROBE.measure(model, pairs, RunConfig(), HeadChoice()))


def eager(model: LoadedModel, text: str) -> np.ndarray:
    """``[layers, heads, tokens, tokens]``."""
    model.net.set_attn_implementation("eager")
    with torch.no_grad():
        output = model.net(input_ids=torch.tensor([model.encode(text).ids]), output_attentions=True)
    model.net.set_attn_implementation(ROUTE)
    return torch.stack(output.attentions, 1)[0].double().numpy()


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_scores_equal_those_of_eager_attention(family: str) -> None:
    model = tiny.decoder(family)
    pair = tiny.pair("hairdresser", "doctor")
    (record,) = measure(model, pair)
    # <s> The hair dresser asked the doctor a question . She said that the
    lean = {}
    for arm, text in (("a", pair.a.text), ("b", pair.b.text)):
        whole = eager(model, text)
        for suffix, row in (("", 10), ("_next", 13)):
            lean[f"coref_{arm}{suffix}"] = whole[:, :, row, 2:4].sum(-1) - whole[:, :, row, 6]
        lean[f"mass_{arm}"] = whole[:, :, 10, 2:4].sum(-1) + whole[:, :, 10, 6]
    lean["bias"] = (lean["coref_a"] - lean["coref_b"]) / 2
    lean["bias_next"] = (lean["coref_a_next"] - lean["coref_b_next"]) / 2
    for name, expected in lean.items():
        np.testing.assert_allclose(record.measures[name], expected, atol=1e-5, err_msg=name)
    assert np.abs(record.measures["bias"]).max() > 1e-3


def test_divergence_equals_that_of_eager_attention(model: LoadedModel) -> None:
    pair = tiny.pair("nurse", "doctor")
    (record,) = measure(model, pair)
    # Every word is one token here, so that words are tokens: the pronoun is 9, the last token 12.
    one, other = eager(model, pair.a.text), eager(model, pair.b.text)
    shape = one.shape[:2]
    jsd, variation = np.zeros(shape), np.zeros(shape)
    for layer, head in np.ndindex(*shape):
        rows = [(one[layer, head, row], other[layer, head, row]) for row in range(9, 13)]
        jsd[layer, head] = np.mean([jensenshannon(p, q, base=2) ** 2 for p, q in rows])
        variation[layer, head] = np.mean([abs(p - q).sum() / 2 for p, q in rows])
    np.testing.assert_allclose(record.measures["jsd"], jsd, atol=1e-5)
    np.testing.assert_allclose(record.measures["total_variation"], variation, atol=1e-5)
    assert record.unaligned_words == 0


def test_exchanging_the_texts_flips_the_bias_alone(model: LoadedModel) -> None:
    pair = tiny.pair("hairdresser", "doctor")
    (there,), (back,) = measure(model, pair), measure(model, replace(pair, a=pair.b, b=pair.a))
    for name in ("jsd", "total_variation", "value_weighted"):
        np.testing.assert_allclose(there.measures[name], back.measures[name], atol=1e-7, err_msg=name)
    for name in ("bias", "bias_next"):
        np.testing.assert_allclose(there.measures[name], -back.measures[name], atol=1e-7, err_msg=name)


def test_renaming_arms_and_candidates_together_changes_nothing(model: LoadedModel) -> None:
    def exchanged(text: Text) -> Text:
        spans = dict(text.mentions)
        spans[CANDIDATE_1], spans[CANDIDATE_2] = spans[CANDIDATE_2], spans[CANDIDATE_1]
        return replace(text, mentions=spans)

    pair = tiny.pair("hairdresser", "doctor")
    (there,) = measure(model, pair)
    (back,) = measure(model, replace(pair, a=exchanged(pair.b), b=exchanged(pair.a)))
    np.testing.assert_allclose(there.measures["bias"], back.measures["bias"], atol=1e-7)


def test_identical_texts_differ_by_nothing(model: LoadedModel) -> None:
    pair = tiny.pair()
    (record,) = measure(model, replace(pair, b=replace(pair.a, arm="he")))
    for name in ("jsd", "total_variation", "value_weighted", "bias", "bias_next"):
        assert not record.measures[name].any(), name


def test_value_weighting_ignores_tokens_without_value(model: LoadedModel) -> None:
    (record,) = measure(model, tiny.pair())
    assert record.measures["value_weighted"].shape == (3, 4)
    assert not np.allclose(record.measures["value_weighted"], record.measures["jsd"], atol=1e-3)


def test_mentions_of_several_tokens_and_unequal_texts(model: LoadedModel) -> None:
    pair = tiny.pair("nurse", "doctor")
    text = "The nurse asked the doctor a question . plumbers said that the"
    span = (text.index("plumbers"), text.index("plumbers") + 8)
    other = Text("plural", "none", text, (span,), {**pair.b.mentions, PRONOUN: span})
    (record,) = measure(model, replace(pair, b=other))
    whole = eager(model, text)
    # plum ##ber ##s are the tokens 9 to 11, and the score is the mean over their rows.
    expected = (whole[:, :, 9:12, 2] - whole[:, :, 9:12, 5]).mean(-1)
    np.testing.assert_allclose(record.measures["coref_b"], expected, atol=1e-5)
    assert record.unaligned_words == 0


def test_unaligned_words_are_counted(model: LoadedModel) -> None:
    pair = tiny.pair("nurse", "doctor")
    longer = replace(pair.b, text=pair.b.text + " engineer asked")
    (record,) = measure(model, replace(pair, b=longer))
    assert record.unaligned_words == 2


def test_reasons(model: LoadedModel) -> None:
    control = tiny.pair(name="control", kind="control")
    undirected = tiny.pair(name="undirected", directed=False)
    nobody = tiny.pair(name="nobody", mentions=False)
    early = tiny.pair(name="early")
    spans = {**early.a.mentions, CANDIDATE_2: (len(early.a.text) - 3, len(early.a.text))}
    early = replace(early, a=replace(early.a, mentions=spans))
    mute = tiny.pair(name="mute")
    spans = {name: span for name, span in mute.a.mentions.items() if name != PRONOUN}
    mute = replace(mute, a=replace(mute.a, mentions=spans))
    found = {r.pair_id: r for r in measure(model, control, undirected, nobody, early, mute)}
    assert dict(found["control"].reasons) == dict.fromkeys(
        ("bias", "bias_next"), "control pair: the candidates have no direction"
    )
    assert set(found["undirected"].reasons.values()) == {"the suite ties no candidate to the arms"}
    assert set(found["nobody"].reasons.values()) == {"the pair has no candidates to look at"}
    assert "coref_a" in found["control"].measures
    assert set(found["nobody"].measures) == {"jsd", "total_variation", "value_weighted"}
    for name, reason in (
        ("early", "a candidate comes after the pronoun, where a decoder does not look"),
        ("mute", "the pair has no pronoun to read from"),
    ):
        assert dict(found[name].reasons) == dict.fromkeys(
            ("coref_a", "coref_b", "mass_a", "mass_b", "bias"), reason
        )
        assert "bias_next" in found[name].measures


def test_detail_keeps_the_whole_matrix(model: LoadedModel) -> None:
    pair = tiny.pair("hairdresser", "doctor")
    detail = PROBE.detail(model, pair)
    assert detail.words_a == ("<s>", *pair.a.text.split())
    assert detail.queries == detail.matches == tuple((i, i) for i in range(13))
    assert detail.weights_a.shape == (3, 4, 13, 13)
    np.testing.assert_allclose(detail.weights_a.sum(-1), 1, atol=1e-5)
    whole = eager(model, pair.b.text)
    np.testing.assert_allclose(detail.weights_b[:, :, 9, 2], whole[:, :, 10, 2:4].sum(-1), atol=1e-5)


def test_head_15_7_of_the_demo_looks_from_she_to_the_female_tied_noun(demo: LoadedModel) -> None:
    # Over 64 other pairs its signed bias is +0.33 (found by a program that shares no code with this one).
    jobs = [("nurse", "doctor"), ("receptionist", "engineer"), ("librarian", "plumber")]
    pairs = [
        tiny.pair(*names, name=f"{names}{order}", order=order, stop=".") for names in jobs for order in (0, 1)
    ]
    bias = np.mean([record.measures["bias"] for record in measure(demo, *pairs)], axis=0)
    assert bias.shape == (30, 9)
    assert bias[15, 7] > 0.05
