"""Every family of models: what evenhand sees of it equals what stock transformers reports and computes.

The reference is a second model, loaded by transformers alone from the same folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from audit.errors import ModelError
from probes.attention_call import Attended, AttentionCall, ObservedCall
from probes.capture import CapturedCall, RowCapture
from probes.load import load
from probes.model import LoadedModel
from probes.route import instrument, interface_names
from probes.routing import route_of
from probes.selftest import self_test
from probes.softmax_route import SoftmaxCall
from tests.probes import families
from tests.probes.families import FAMILIES, Tiny

IDS = torch.tensor([[4, 5, 6, 7, 8, 9, 10, 11, 12], [13, 14, 15, 16, 17, 0, 0, 0, 0]])
MASK = torch.tensor([[1] * 9, [1] * 5 + [0] * 4])
TARGETS = torch.tensor([[2, 5, 6, 7], [2, 8, 9, 10]])
STREAMS = {
    "encoder-decoder": {
        "encoder": "encoder_attentions",
        "decoder": "decoder_attentions",
        "cross": "cross_attentions",
    }
}
#: Layers of hybrid families that attend.
ATTENDING = {"qwen3next": [3], "lfm2": [1]}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = families.folder(tmp_path_factory.mktemp("families") / name, FAMILIES[name])
        return made[name]

    return folder


def reference(folder: Path, tiny: Tiny, attention: str) -> Any:
    """The same checkpoint in stock transformers."""
    factory = getattr(transformers, tiny.auto)
    return factory.from_pretrained(folder, attn_implementation=attention, local_files_only=True).eval()


def said(net: Any, rows: slice = slice(None), **options: Any) -> Any:
    """What a network says about the texts; without padding if only one text is asked for."""
    ids, mask = IDS[rows], MASK[rows]
    if len(ids) == 1:
        ids, mask = ids[:, : int(mask.sum())], None
    if net.config.is_encoder_decoder:
        options["decoder_input_ids"] = TARGETS[rows]
    with torch.no_grad():
        return net(input_ids=ids, attention_mask=mask, **options)


def reported(net: Any, family: str) -> dict[str, list[torch.Tensor]]:
    """Attention matrices by stream, as transformers reports them."""
    output = said(net, output_attentions=True)
    names = STREAMS.get(family, {"self": "attentions"})
    return {s: [m for m in getattr(output, name) if m is not None] for s, name in names.items()}


def captured(model: LoadedModel) -> dict[str, list[CapturedCall]]:
    capture = RowCapture(None)
    with instrument(capture):
        said(model.net)
    found: dict[str, list[CapturedCall]] = {}
    for call in capture.calls:
        found.setdefault(model.anatomy.places[call.key].stream, []).append(call)
    return found


def row_difference(name: str, folder: Path, model: LoadedModel) -> float:
    """Largest difference of valid rows from those that transformers reports."""
    worst, ours = 0.0, captured(model)
    # flat attention would hide a wrong scaling
    assert max(float(call.weights[0, :, -1].max()) for calls in ours.values() for call in calls) > 0.2
    whole = reported(reference(folder, FAMILIES[name], "eager"), model.family)
    assert {s: len(m) for s, m in whole.items()} == {s: len(c) for s, c in ours.items()}
    for stream, matrices in whole.items():
        for call, matrix in zip(ours[stream], matrices, strict=True):
            valid = torch.ones(TARGETS.shape) if stream in ("decoder", "cross") else MASK
            for text in range(2):
                rows = slice(int(valid[text].sum()))
                worst = max(worst, float((call.weights[text, :, rows] - matrix[text, :, rows]).abs().max()))
    return worst


class Edit:
    """Calls one of the methods by which instruments edit."""

    def __init__(self, edit: Callable[[ObservedCall], Attended]) -> None:
        self.edit = edit

    def __call__(self, call: ObservedCall) -> Attended:
        return self.edit(call)


def edited(model: LoadedModel, edit: Callable[[ObservedCall], Attended]) -> torch.Tensor:
    with instrument(Edit(edit)):
        return said(model.net, slice(1))[0]


def uniform(call: ObservedCall) -> Attended:
    texts, _, queries, keys = call.shape
    return call.replaced([0], None, torch.full((texts, 1, queries, keys), 1 / keys))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_measured_exactly(
    name: str, folders: Callable[[str], Path], record_property: Callable[[str, object], None]
) -> None:
    tiny, folder = FAMILIES[name], folders(name)
    model = load(str(folder))
    assert (model.family, route_of(model.net)) == (tiny.family, tiny.route)
    difference = row_difference(name, folder, model)
    assert difference <= 1e-5
    stock = reference(folder, tiny, interface_names(model.net)[1] if tiny.route == "interface" else "eager")
    alone = said(stock, slice(1))[0]
    assert torch.equal(said(model.net, slice(1))[0], alone)
    assert torch.equal(edited(model, lambda call: call.attend()), alone)
    assert torch.equal(edited(model, lambda call: call.scaled([0, 1], 1.0)), alone)
    own = edited(model, lambda call: call.replaced([1], None, call.rows(None)[:, [1]]))
    torch.testing.assert_close(own, alone, atol=1e-4, rtol=1e-4)
    for edit in (uniform, lambda call: call.scaled([1], 0.0)):
        assert float((edited(model, edit) - alone).abs().max()) > 1e-4
    steps = {step.name: step for step in self_test(model)}
    assert [step for step in steps.values() if not step.passed] == []
    padding = steps["padding and batch order"]
    record_property("rows", difference)
    record_property("padding", padding.value)
    print(
        f"\n| {name} | {model.family} | {tiny.route} | {difference:.1e} | {padding.value:.1e} ≤ {padding.bound} |"
    )


def test_enough_families_are_measured() -> None:
    assert len(FAMILIES) >= 45
    assert {tiny.family for tiny in FAMILIES.values()} == {"decoder", "encoder", "encoder-decoder"}


@pytest.mark.parametrize("name", ["bert", "llama", "t5", "gemma2", "bloom", "xlnet"])
def test_a_model_is_stock_again_without_evenhand(name: str, folders: Callable[[str], Path]) -> None:
    """An instrument that fails leaves nothing behind."""

    def failing(call: ObservedCall) -> Attended:
        raise RuntimeError("broken")

    model = load(str(folders(name)))
    before = said(model.net)[0]
    with pytest.raises(RuntimeError, match="broken"), instrument(failing):
        said(model.net)
    assert torch.equal(said(model.net)[0], before)


@pytest.mark.parametrize(
    ("name", "call", "method", "wrong"),
    [
        ("llama", AttentionCall, "capped", lambda call, products: products * 0.9),
        ("bert", AttentionCall, "_masked", lambda call, scores, rows, queries: scores),
        ("t5", AttentionCall, "_masked", lambda call, scores, rows, queries: scores),
        ("bloom", SoftmaxCall, "rows", lambda call, rows: call.weights.roll(1, 1).float()),
        ("mvp", SoftmaxCall, "rows", lambda call, rows: call.weights.flip(-1).float()),
    ],
)
def test_a_broken_capture_is_noticed(
    name: str,
    call: type,
    method: str,
    wrong: Callable[..., Any],
    folders: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = load(str(folders(name)))
    monkeypatch.setattr(call, method, wrong)
    assert row_difference(name, folders(name), model) > 1e-3


@pytest.mark.parametrize("name", ATTENDING)
def test_hybrid_families_say_which_layers_attend(name: str, folders: Callable[[str], Path]) -> None:
    model = load(str(folders(name)))
    layers = model.anatomy.layers["self"]
    missing = [layer for layer in range(layers) if layer not in ATTENDING[name]]
    assert list(model.anatomy.missing("self")) == missing
    told = model.describe(()).attention_route
    assert told.endswith(f"no attention by token in layers {', '.join(map(str, missing))} of {layers}")


def test_streams_of_an_encoder_decoder(folders: Callable[[str], Path]) -> None:
    model = load(str(folders("bart")))
    assert model.anatomy.layers == {"encoder": 2, "decoder": 3, "cross": 3}
    assert model.anatomy.heads == {"encoder": 4, "decoder": 2, "cross": 2}
    places = list(model.anatomy.places.values())
    assert [(p.stream, p.layer) for p in places[:4]] == [
        ("encoder", 0),
        ("encoder", 1),
        ("decoder", 0),
        ("cross", 0),
    ]
    assert model.describe(()).attention_route.endswith(
        "encoder 2 layers × 4 heads; decoder 3 layers × 2 heads; cross 3 layers × 2 heads"
    )


_BLOCKS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
_LONG = {**_BLOCKS, "max_position_embeddings": 64}
_NONE = "no attention was seen in {}; there is nothing to measure"
_NO_ROWS = "the attention of {} has no row of 7 weights for each of 7 tokens; it cannot be measured exactly"
_MISREPORTS = "{} reports other attention than it computes; it cannot be measured exactly"

#: Families that are refused when they are loaded: what is built, and the message.
REFUSED: dict[str, tuple[Tiny, str]] = {
    "mamba": (
        Tiny("MambaConfig", settings={"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}),
        _NONE.format("MambaForCausalLM"),
    ),
    "rwkv": (
        Tiny("RwkvConfig", settings={"hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32}),
        _NONE.format("RwkvForCausalLM"),
    ),
    "fnet": (Tiny("FNetConfig", families.MASKED, _LONG), _NONE.format("FNetForMaskedLM")),
    "yoso": (Tiny("YosoConfig", families.MASKED, _LONG), _NONE.format("YosoForMaskedLM")),
    "longt5": (
        Tiny("LongT5Config", families.SEQ2SEQ, families._T5),
        _NO_ROWS.format("LongT5ForConditionalGeneration"),
    ),
    "diffllama": (
        Tiny("DiffLlamaConfig", settings={**_LONG, "num_key_value_heads": 2}),
        "DiffLlamaForCausalLM reports 2 attention matrices, and 4 were seen; it cannot be measured exactly",
    ),
    "nystromformer, approximate": (
        Tiny(
            "NystromformerConfig", families.MASKED, {**_LONG, "num_landmarks": 1, "segment_means_seq_len": 7}
        ),
        _NO_ROWS.format("NystromformerForMaskedLM"),
    ),
    "bigbird, sparse": (
        Tiny("BigBirdConfig", families.MASKED, {**_LONG, "attention_type": "block_sparse"}),
        "block-sparse attention gives no row over all tokens, and becomes full attention after the first "
        'short text; write "attention_type": "original_full" into its config.json',
    ),
    "longformer": (Tiny("LongformerConfig", families.MASKED, _LONG), _MISREPORTS.format("longformer")),
    "led": (Tiny("LEDConfig", families.SEQ2SEQ, families._BART), _MISREPORTS.format("led")),
    "prophetnet": (
        Tiny(
            "ProphetNetConfig",
            families.SEQ2SEQ,
            {
                "hidden_size": 32,
                "num_encoder_layers": 1,
                "num_decoder_layers": 1,
                "num_encoder_attention_heads": 4,
                "num_decoder_attention_heads": 4,
                "encoder_ffn_dim": 48,
                "decoder_ffn_dim": 48,
                "max_position_embeddings": 64,
            },
        ),
        _MISREPORTS.format("prophetnet"),
    ),
}
#: Families that load, and that the self-test refuses: the step that fails.
UNPROVEN: dict[str, tuple[Tiny, str]] = {
    "squeezebert": (  # reports scores before the softmax
        Tiny("SqueezeBertConfig", families.MASKED, {**_LONG, "embedding_size": 32}),
        "captured rows equal eager attention",
    ),
    "convbert": (  # its convolutions read the padding
        Tiny("ConvBertConfig", families.MASKED, _LONG),
        "padding and batch order",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_family_that_cannot_be_measured_is_refused_by_name(name: str, tmp_path: Path) -> None:
    tiny, message = REFUSED[name]
    folder = families.folder(tmp_path / "m", tiny)
    with pytest.raises(ModelError) as caught:
        load(str(folder))
    assert str(caught.value) == f"{folder}: {message}"


@pytest.mark.parametrize("name", UNPROVEN)
def test_the_self_test_refuses_what_loading_cannot_find_out(name: str, tmp_path: Path) -> None:
    tiny, step = UNPROVEN[name]
    steps = self_test(load(str(families.folder(tmp_path, tiny))))
    assert [failed.name for failed in steps if not failed.passed] == [step]
