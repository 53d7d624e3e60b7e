"""Proof, on the loaded model itself, that what is captured is what the model computes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from audit.results import SelfTestStep
from probes.attention_call import Attended, ObservedCall
from probes.capture import CapturedCall, RowCapture
from probes.forward import forward
from probes.head import log_probabilities
from probes.intervention import Intervention, Place
from probes.model import LoadedModel
from probes.preparation import told_engine
from probes.route import instrument
from probes.routing import reported_attention, stock
from probes.row_edits import RowEdits
from probes.row_padding import pad_right

_LONG = "On Monday the baker told the painter a story about the old bridge by the river."
_SHORT = "The painter listened."
#: Tokens of the short text that an encoder–decoder is given as if it had decoded them.
_DECODED = 3

#: float32 rounding only; bfloat16 keeps 8 bits, and SDPA and eager round at different places.
_ROWS = {torch.float32: 1e-5}
_ROWS_ROUNDED = 0.1
_LOGITS = {torch.float32: 1e-3}
_LOGITS_ROUNDED = 1.0
_MOVED = 1e-6

#: What the network says about each text, padding left out: logits, or hidden states without a head.
_Said = list[torch.Tensor]


@torch.no_grad()
def self_test(model: LoadedModel) -> tuple[SelfTestStep, ...]:
    """Prove that capture is exact on a model.

    Args:
        model: of any family.
    Returns:
        One step per claim, in order: logits are numbers; they equal the stock model's, bit for bit;
        every attention layer was seen; captured rows and logits equal eager attention; a decoder's rows
        look only to the left; an edit of nothing changes nothing; a real edit moves the logits; edits of one copy
        of a text leave its other copies alone, and which engine edits; padding and batch order stay within a
        bound; a decoder's log-probabilities equal those of its own logits. NaN
        logits end the test at the first step.
    """
    texts = [_tokens(model, text) for text in (_LONG, _SHORT)]
    alone = _said(model, texts[:1])
    if not _finite(alone):
        return (_step("logits are numbers", False, note="the logits hold NaN or infinite values"),)
    steps = [
        _step("logits are numbers", True),
        _equals_stock(model, texts, alone),
        *_rows_equal_eager(model, texts, alone),
        _edit_of_nothing(model, texts, alone),
        _real_edit(model, texts, alone),
        _edits_apart(model, texts, alone),
        _padding_and_order(model, texts, alone),
    ]
    if model.head == "causal-lm":
        steps.append(_projection(model, texts, alone))
    return tuple(steps)


def _tokens(model: LoadedModel, text: str) -> list[int]:
    """As many tokens as the context window holds, with the end of text where the head looks for it."""
    ids = list(model.encode(text).ids)[: model.max_length]
    return [*ids[:-1], model.net.config.eos_token_id] if model.classifies_at_end else ids


def _step(
    name: str, passed: bool, value: float | None = None, bound: float | None = None, note: str = ""
) -> SelfTestStep:
    if value is not None and not math.isfinite(value):
        return SelfTestStep(name=name, passed=False, bound=bound, note="the difference is not a number")
    return SelfTestStep(name=name, passed=passed, value=value, bound=bound, note=note)


def _decoded(model: LoadedModel, texts: int) -> torch.Tensor | None:
    """The same decoded tokens for every text; None where the network answers with no text of its own."""
    if not model.decodes:
        return None
    ids = [*model.target_start, *model.encode(_SHORT).ids[:_DECODED]]
    return torch.tensor([ids] * texts, device=model.device)


def _said(model: LoadedModel, texts: Sequence[Sequence[int]]) -> _Said:
    """What the network says about texts padded on the right, float32."""
    ids, mask = pad_right(texts, model.device, model.pad)
    output = forward(model.net, ids, mask, _decoded(model, len(texts)))
    if model.head == "question-answering":
        whole = torch.stack([output.start_logits, output.end_logits], -1).float()
    else:
        whole = output[0].float()
    if model.decodes or model.head == "sequence-classification":
        return list(whole)
    return [row[: len(text)] for row, text in zip(whole, texts, strict=True)]


def _finite(said: _Said) -> bool:
    return all(bool(torch.isfinite(logits).all()) for logits in said)


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())


def _bound(model: LoadedModel) -> float:
    return _LOGITS.get(model.net.dtype, _LOGITS_ROUNDED)


def _equals_stock(model: LoadedModel, texts: list[list[int]], alone: _Said) -> SelfTestStep:
    with stock(model.net) as attention:
        (said,) = _said(model, texts[:1])
    return _step(
        f"logits equal stock {'SDPA' if attention == 'sdpa' else attention}",
        torch.equal(alone[0], said),
        _distance(alone[0], said),
        0.0,
    )


def _rows_equal_eager(model: LoadedModel, texts: list[list[int]], alone: _Said) -> list[SelfTestStep]:
    capture = RowCapture(None)
    with instrument(capture):
        _said(model, texts[:1])
    with stock(model.net, "eager"):
        (said,) = _said(model, texts[:1])
        tokens = torch.tensor(texts[:1], device=model.device)
        output = forward(model.net, tokens, None, _decoded(model, 1), output_attentions=True)
    reported = reported_attention(output)
    expected = sum(map(len, reported.values()))
    seen = len(capture.calls)
    fired = _step("every attention layer seen", seen == expected > 0, seen, expected)
    if not fired.passed:
        return [fired]
    places = model.anatomy.places
    captured = {s: [c for c in capture.calls if places[c.key].stream == s] for s in reported}
    worst = max(_worst(captured[stream], matrices) for stream, matrices in reported.items())
    bound = _ROWS.get(model.net.dtype, _ROWS_ROUNDED)
    moved = _distance(alone[0], said)
    steps = [
        fired,
        _step("captured rows equal eager attention", worst <= bound, worst, bound),
        _step("logits equal eager attention", moved <= _bound(model), moved, _bound(model)),
    ]
    if model.family == "decoder":
        ahead = max(float(call.weights.triu(1).max()) for call in capture.calls)
        steps.append(_step("rows look only to the left", ahead == 0.0, ahead, 0.0))
    return steps


def _worst(calls: Sequence[CapturedCall], reported: Sequence[torch.Tensor]) -> float:
    """Largest difference between captured and reported weights of a stream; infinite if they do not match."""
    if [call.weights.shape for call in calls] != [matrix.shape for matrix in reported]:
        return math.inf
    return max(_distance(call.weights, whole.float()) for call, whole in zip(calls, reported, strict=True))


class _ScaledHead:
    """An instrument that scales the output of the last head in every layer."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, call: ObservedCall) -> Attended:
        return call.scaled([call.shape[1] - 1], self.factor)


def _edited(model: LoadedModel, texts: list[list[int]], factor: float) -> torch.Tensor:
    with instrument(_ScaledHead(factor)):
        return _said(model, texts[:1])[0]


def _edit_of_nothing(model: LoadedModel, texts: list[list[int]], alone: _Said) -> SelfTestStep:
    same = _edited(model, texts, 1.0)
    moved = _distance(alone[0], same)
    return _step("an edit of nothing changes nothing", torch.equal(alone[0], same), moved, 0.0)


def _real_edit(model: LoadedModel, texts: list[list[int]], alone: _Said) -> SelfTestStep:
    moved = _distance(alone[0], _edited(model, texts, 0.0))
    note = "the bound is the least that must move"
    return _step("a real edit moves the logits", moved > _MOVED, moved, _MOVED, note)


def _edits_apart(model: LoadedModel, texts: list[list[int]], alone: _Said) -> SelfTestStep:
    """Three copies of a text: unedited, every row read along itself, and attention without anything read."""
    rows = tuple(range(len(texts[0])))
    decoded = _decoded(model, 1)
    answer = rows if decoded is None else tuple(range(decoded.shape[1]))
    own = tuple(
        Place(place.layer, head, rows if place.stream in ("self", "encoder") else answer, place.stream)
        for place in model.anatomy.places.values()
        if place.by_token
        for head in range(model.anatomy.heads[place.stream])
    )
    edits = RowEdits(
        model.anatomy,
        [Intervention(own), Intervention(own, "zero")],
        torch.tensor([0], device=model.device),
    )
    with instrument(edits):
        plain, same, cut = _said(model, [texts[0]] * 3)
    edits.check()
    worst = max(_distance(plain, alone[0]), _distance(same, alone[0]))
    passed = worst <= _bound(model) and _distance(cut, alone[0]) > _MOVED
    note = f"interventions: {told_engine(model, texts[0])}"
    return _step("edits of one copy leave the others alone", passed, worst, _bound(model), note)


def _padding_and_order(model: LoadedModel, texts: list[list[int]], alone: _Said) -> SelfTestStep:
    """Two texts together, in both orders, against each alone; of one length where the model reads padding."""
    long, short = texts
    if model.reads_padding:
        short = long[::-1]
    one, other = _said(model, [long, short]), _said(model, [short, long])
    (single,) = _said(model, [short])
    found = ((one[0], alone[0]), (other[1], alone[0]), (one[1], single), (other[0], single))
    worst = max(_distance(together, apart) for together, apart in found)
    note = "it reads padding: only texts of one length run together" if model.reads_padding else ""
    return _step("padding and batch order", worst <= _bound(model), worst, _bound(model), note)


def _projection(model: LoadedModel, texts: list[list[int]], alone: _Said) -> SelfTestStep:
    tokens = torch.tensor(texts[:1], device=model.device)
    hidden = forward(model.net.base_model, tokens, None)[0][0, :-1]
    found = log_probabilities(model.net, hidden, tokens[0, 1:])
    expected = alone[0][:-1].log_softmax(-1).gather(-1, tokens[0, 1:, None])[:, 0]
    worst = _distance(found, expected)
    return _step("log-probabilities equal those of the logits", worst <= _bound(model), worst, _bound(model))
