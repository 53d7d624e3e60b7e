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

from audit.errors import MeasurementError
from probes.attention_call import Attended, AttentionCall, HeadRows, ObservedCall
from probes.capture import CapturedCall, RowCapture
from probes.load import load
from probes.model import LoadedModel
from probes.route import instrument, interface_names
from probes.routing import route_of
from probes.selftest import self_test
from probes.softmax_route import SoftmaxCall
from tests.probes import family as made
from tests.probes.families import FAMILIES
from tests.probes.family import Tiny

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
    folders: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in folders:
            folders[name] = made.folder(tmp_path_factory.mktemp(name), FAMILIES[name])
        return folders[name]

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


def reported(net: Any, family: str, rows: slice) -> dict[str, list[torch.Tensor]]:
    """Attention matrices by stream, as transformers reports them."""
    output = said(net, rows, output_attentions=True)
    names = STREAMS.get(family, {"self": "attentions"})
    return {s: [m for m in getattr(output, name) if m is not None] for s, name in names.items()}


def captured(model: LoadedModel, rows: slice) -> dict[str, list[CapturedCall]]:
    capture = RowCapture(None)
    with instrument(capture):
        said(model.net, rows)
    found: dict[str, list[CapturedCall]] = {}
    for call in capture.calls:
        found.setdefault(model.anatomy.places[call.key].stream, []).append(call)
    return found


def row_difference(name: str, folder: Path, model: LoadedModel) -> float:
    """Largest difference of valid rows from those that transformers reports."""
    rows = slice(1) if model.reads_padding else slice(None)
    worst, ours = 0.0, captured(model, rows)
    # flat attention would hide a wrong scaling, and so would weights that are all 0 or 1
    last = torch.cat([call.weights[0, :, -1].flatten() for calls in ours.values() for call in calls])
    assert float(last.max()) > 0.2
    assert float(((last > 0.02) & (last < 0.98)).float().mean()) > 0.2
    whole = reported(reference(folder, FAMILIES[name], "eager"), model.family, rows)
    assert {s: len(m) for s, m in whole.items()} == {s: len(c) for s, c in ours.items()}
    for stream, matrices in whole.items():
        for call, matrix in zip(ours[stream], matrices, strict=True):
            valid = torch.ones(TARGETS.shape) if stream in ("decoder", "cross") else MASK
            for text, length in enumerate(valid[rows].sum(-1).int().tolist()):
                # Funnel's pooled blocks have fewer rows than tokens: all of them are compared
                difference = call.weights[text, :, :length] - matrix[text, :, :length]
                worst = max(worst, float(difference.abs().max()))
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


def every_row(call: ObservedCall, head: int) -> HeadRows:
    texts, _, queries, _ = call.shape
    at = torch.arange(texts * queries)
    return HeadRows(at // queries, torch.full_like(at, head), at % queries)


def uniform(call: ObservedCall) -> Attended:
    places, keys = every_row(call, 0), call.shape[3]
    return call.edited(places, torch.full((len(places.texts), keys), 1 / keys))


def own_rows(call: ObservedCall) -> Attended:
    """A head's rows, found all together, take the place of the same rows, found one by one."""
    places = every_row(call, 1)
    return call.edited(places, call.rows(None)[places])


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
    torch.testing.assert_close(edited(model, own_rows), alone, atol=1e-4, rtol=1e-4)
    assert torch.equal(
        edited(model, lambda call: call.edited(every_row(call, 1), call.picked(every_row(call, 1)))), alone
    )
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
        ("bert", AttentionCall, "_masked", lambda call, scores, mask, rows: scores),
        ("t5", AttentionCall, "_masked", lambda call, scores, mask, rows: scores),
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


@pytest.mark.parametrize("name", ["convbert", "funnel"])
def test_families_that_read_padding_never_get_any(name: str, folders: Callable[[str], Path]) -> None:
    model = load(str(folders(name)))
    assert model.reads_padding
    assert "only texts of one length run together" in model.describe(()).attention_route
    with pytest.raises(
        MeasurementError, match="reads padding: texts of different lengths cannot run together"
    ):
        said(model.net)


@pytest.mark.parametrize(("name", "length"), [("bert", 64), ("roberta", 63), ("ibert", 63), ("mpnet", 62)])
def test_the_window_holds_what_a_family_takes_and_no_more(
    name: str, length: int, folders: Callable[[str], Path]
) -> None:
    """RoBERTa and its kin begin to count behind the position of the padding (MPNet's is 1, whatever pads)."""
    model = load(str(folders(name)))
    assert model.max_length == length
    text = torch.full((1, length + 1), 5)
    with torch.no_grad():
        model.net(input_ids=text[:, :-1])
        with pytest.raises((IndexError, RuntimeError)):
            model.net(input_ids=text)


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
