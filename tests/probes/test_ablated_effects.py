"""Ablation of heads, layers and the model against hooks in a stock eager model that evenhand never touches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from audit.config import AblationKind, AblationSettings, CausalSettings, RunConfig
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import HeadRecord, OutputRecord, Record
from probes import mean_outputs as means_of
from probes import tails, whole_passes
from probes.ablation import AblationProbe
from probes.intervention import Intervention
from probes.job import joined
from probes.mean_outputs import mean_outputs
from probes.patterns import neutral_texts
from probes.scopes import whole_scopes
from probes.whole_passes import WholePasses
from tests.probes import patching
from tests.probes.measured import job_of, spots
from tests.probes.patching import Case, pair

KINDS: tuple[AblationKind, ...] = ("zero", "mean", "uniform")
CONFIG = RunConfig(
    probes=("ablation",), causal=CausalSettings(heads="all"), ablation=AblationSettings(kinds=KINDS)
)
HEADS = 4
_PROJECTIONS = ("o_proj", "attn.c_proj", "attention.output.dense")
Heads = Sequence[tuple[int, int]]


def measure(case: Case, *pairs: Pair, heads: HeadChoice | None = None) -> list[Record]:
    return list(AblationProbe().measure(case.model, pairs, CONFIG, heads or HeadChoice()))


def falls(case: Case, *pairs: Pair) -> dict[tuple[str, str], Any]:
    """(pair, measure) → table of heads, or value of a layer or the model."""
    found: dict[tuple[str, str], Any] = {}
    for record in measure(case, *pairs):
        if isinstance(record, HeadRecord):
            found |= {(record.pair_id, name): table for name, table in record.measures.items()}
        elif isinstance(record, OutputRecord):
            found[record.pair_id, record.measure] = record.value
    return found


def projections(case: Case) -> list[torch.nn.Module]:
    """The output projection of every layer: what it reads is the heads' outputs side by side."""
    return [module for name, module in case.stock.named_modules() if name.endswith(_PROJECTIONS)]


@contextmanager
def reading(case: Case, change: Callable[[int, torch.Tensor], None]) -> Iterator[None]:
    """Hand ``[texts, tokens, heads, d]`` of every layer to a test, which may change it."""
    with ExitStack() as stack:
        for layer, module in enumerate(projections(case)):

            def hook(_: Any, args: Any, layer: int = layer) -> Any:
                outputs = args[0].clone().reshape(*args[0].shape[:2], HEADS, -1)
                change(layer, outputs)
                return (outputs.reshape(args[0].shape),)

            stack.callback(module.register_forward_pre_hook(hook).remove)
        yield


@torch.no_grad()
def neutral_means(case: Case) -> torch.Tensor:
    """``[layers, heads, d]``: one text after the other through the stock model."""
    seen: list[list[torch.Tensor]] = [[] for _ in projections(case)]
    with reading(case, lambda layer, outputs: seen[layer].append(outputs[0].clone())):
        for text in neutral_texts():
            case.stock(input_ids=torch.tensor([case.model.encode(text).ids]))
    return torch.stack([torch.cat(layer).mean(0) for layer in seen])


class ByHand:
    """``TE − TE(ablated)`` of one pair, one text and one answer at a time."""

    def __init__(self, case: Case, one: Pair, kind: AblationKind) -> None:
        self.case, self.pair, self.kind = case, one, kind
        self.before = self._effect(None)
        self.means = neutral_means(case) if kind == "mean" else None

    def fall(self, heads: Heads, rows: Sequence[int]) -> float:
        if self.kind == "uniform":
            return self.before - self._effect(lambda _: self._flat(heads, rows))

        def change(layer: int, outputs: torch.Tensor) -> None:
            for _, head in (place for place in heads if place[0] == layer):
                outputs[:, list(rows), head] = 0 if self.means is None else self.means[layer, head]

        with reading(self.case, change):
            return self.before - self._effect(None)

    def _flat(self, heads: Heads, rows: Sequence[int]) -> patching.Edit:
        def edit(_: str, layer: int, weights: torch.Tensor) -> None:
            for _, head in (place for place in heads if place[0] == layer):
                for row in rows:
                    tokens = weights.shape[-1]
                    visible = row + 1 if self.case.tiny.looks == "left" else tokens
                    weights[:, head, row] = (torch.arange(tokens) < visible) / visible

        return edit

    def _effect(self, edits: patching.Edits | None) -> float:
        a, b = (
            patching.log_odds(self.case, self.pair, text.text, edits) for text in (self.pair.a, self.pair.b)
        )
        return a - b


ANSWERS = {"gpt2": (" old bridge", " river said")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_falls_equal_a_stock_model_whose_heads_are_changed_by_hooks(
    kind: AblationKind, name: str, cases: Callable[[str], Case]
) -> None:
    case = cases(name)
    one = pair(case, completions=ANSWERS.get(name, (" doctor", " nurse")))
    found, by_hand, largest = falls(case, one), ByHand(case, one, kind), 0.0
    heads = [(layer, head) for _, layer, head in case.heads("self")]
    rows = {suffix: row for suffix, (_, row) in spots(case, one).items()}
    for suffix, row in rows.items():
        for place in heads:
            expected = by_hand.fall([place], [row])
            assert found["p", kind + suffix][place] == pytest.approx(expected, abs=1e-4)
            largest = max(largest, abs(expected))
    assert largest > 1e-3
    tokens = len(case.model.encode(one.a.text).ids)
    differing = range(rows[""] if case.tiny.looks == "left" else 0, tokens)
    scopes = {f"layer:{n}": [place for place in heads if place[0] == n] for n in range(case.model.layers)}
    for scope, those in {**scopes, "model": heads}.items():
        expected = by_hand.fall(those, differing)
        assert found["p", f"{kind}_{scope}"] == pytest.approx(expected, abs=1e-4)
        assert abs(expected) > 1e-3


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert", "t5", "bloom"])
def test_exchanging_the_texts_flips_the_sign_and_a_batch_changes_nothing(
    name: str, cases: Callable[[str], Case]
) -> None:
    case = cases(name)
    pairs = [pair(case, "p"), pair(case, "q", (" baker", " bridge"))]
    together = falls(case, *pairs)
    for one in pairs:
        alone, turned = falls(case, one), falls(case, replace(one, a=one.b, b=one.a))
        assert len(alone) > 8
        for key, value in alone.items():
            if value is not None:
                np.testing.assert_allclose(value, together[key], atol=1e-4)
                np.testing.assert_allclose(value, np.negative(turned[key]), atol=1e-4)


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_identical_texts_give_exactly_zero(
    name: str, cases: Callable[[str], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a larger batch rounds."""
    random = np.random.default_rng(0)

    def rounded(*parts: Any) -> Any:
        y = joined(*parts)
        return y + random.normal(0, 1e-6, y.shape)

    for engine in (tails, whole_passes):
        monkeypatch.setattr(engine, "joined", rounded)
    case = cases(name)
    one = pair(case)
    same = replace(one, b=replace(one.b, text=one.a.text, swap=one.a.swap, mentions=one.a.mentions))
    found = falls(case, same)
    assert {measure for _, measure in found} >= {*KINDS, "zero_model", "mean_model", "uniform_model"}
    assert all(np.all(value == 0) for value in found.values())


@pytest.mark.parametrize("name", ["mistral", "t5"])
def test_a_mean_of_nothing_is_no_output(name: str, cases: Callable[[str], Case]) -> None:
    """In whole passes of every stream, and of only the copy that is edited."""
    case = cases(name)
    job, width = job_of(case, pair(case)), 32 // HEADS
    edits = whole_scopes(case.model, job).values()
    cut = [replace(edit, kind="zero") for edit in edits]
    nothing = [
        Intervention(edit.places, "mean", dict.fromkeys(edit.places, torch.zeros(width))) for edit in edits
    ]
    y = WholePasses(case.model).log_odds([job], [*cut, *nothing, Intervention(())])
    np.testing.assert_allclose(y[1 : 1 + len(cut)], y[1 + len(cut) : -1], atol=1e-5)
    np.testing.assert_allclose(y[-1], y[0], atol=1e-5)
    assert (np.abs(y[1:-1] - y[0]).max((1, 2)) > 1e-4).all()


def test_means_do_not_depend_on_how_texts_are_batched(
    cases: Callable[[str], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("llama", "bert", "t5"):
        model = cases(name).model
        together = mean_outputs(model)
        assert mean_outputs(model) is together
        monkeypatch.setattr(means_of, "_TOKENS", 1)
        means_of._known.pop(model)
        apart = mean_outputs(model)
        monkeypatch.undo()
        assert set(together) == {
            (stream, layer) for stream, n in model.anatomy.layers.items() for layer in range(n)
        }
        for place, mean in together.items():
            assert mean.shape[0] == model.anatomy.heads[place[0]]
            torch.testing.assert_close(mean, apart[place], atol=1e-5, rtol=1e-4)


def test_a_family_whose_outputs_are_not_seen_says_so(cases: Callable[[str], Case]) -> None:
    case = cases("bloom")
    found = measure(case, pair(case))
    reason = "the mean of a head's output is not known: this family bypasses the attention interface"
    reasons = {
        name: why
        for record in found
        if isinstance(record, HeadRecord)
        for name, why in record.reasons.items()
    }
    assert reasons == {"mean": reason, "mean_next": reason}
    values = falls(case, pair(case))
    assert not {"mean", "mean_next"} & {measure for _, measure in values}
    assert {m for (_, m), value in values.items() if value is None} == {
        *(f"mean_layer:{n}" for n in range(case.model.layers)),
        "mean_model",
    }
    assert all(
        record.reason == reason
        for record in found
        if isinstance(record, OutputRecord) and record.value is None
    )
    for kind in ("zero", "uniform"):
        assert np.isfinite(values["p", kind]).all()
        assert np.isfinite(values["p", f"{kind}_next"]).all()
        assert values["p", f"{kind}_model"] is not None


def test_rows_that_are_not_there_say_why(cases: Callable[[str], Case]) -> None:
    case = cases("t5")
    found = {record.stream: record for record in measure(case, pair(case)) if isinstance(record, HeadRecord)}
    assert {*found["encoder"].measures} == {*KINDS}
    assert {*found["cross"].measures} == {f"{kind}_next" for kind in KINDS}
    assert found["encoder"].reasons == dict.fromkeys(
        (f"{kind}_next" for kind in KINDS),
        "the row that predicts the answer's first word is the cross-attention's",
    )


def test_a_pair_that_cannot_be_intervened_on_says_why(cases: Callable[[str], Case]) -> None:
    case = cases("llama")
    one = pair(case)
    longer = replace(one, b=replace(one.b, text=one.b.text.replace("He said", "He said said")))
    (record,) = measure(case, longer)
    assert isinstance(record, HeadRecord)
    assert record.measures == {}
    assert {*record.reasons} == {*KINDS, *(f"{kind}_next" for kind in KINDS)}
    assert {*record.reasons.values()} == {"attention rows cannot be exchanged: 13 against 14 tokens"}


def test_only_the_chosen_heads_are_measured_and_only_what_was_asked(cases: Callable[[str], Case]) -> None:
    case = cases("gpt2")
    one = pair(case)
    (record,) = measure(case, one, heads=HeadChoice(frozenset({(1, 2)}), frozenset()))
    assert isinstance(record, HeadRecord)
    for kind in KINDS:
        assert np.argwhere(np.isfinite(record.measures[kind])).tolist() == [[1, 2]]
        assert not np.isfinite(record.measures[f"{kind}_next"]).any()
    assert measure(case, one, heads=HeadChoice(frozenset(), frozenset())) == []
    probe = AblationProbe()
    assert probe.wants(one, CONFIG)
    assert not probe.wants(one, RunConfig())
    assert not probe.wants(replace(one, kind="control"), CONFIG)
    assert not probe.wants(replace(one, completions=None), CONFIG)
