"""Proof, on the loaded model itself, that what is captured is what the model computes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from audit.results import SelfTestStep
from probes.attention_call import Attended, AttentionCall
from probes.capture import RowCapture
from probes.head import log_probabilities
from probes.model import LoadedModel
from probes.route import ROUTE, instrument
from probes.sequences import pad_right

_LONG = "On Monday the baker told the painter a story about the old bridge by the river."
_SHORT = "The painter listened."

#: float32 rounding only; bfloat16 keeps 8 bits, and SDPA and eager round at different places.
_ROWS = {torch.float32: 1e-5}
_ROWS_ROUNDED = 0.1
_LOGITS = {torch.float32: 1e-3}
_LOGITS_ROUNDED = 1.0
_MOVED = 1e-6


@torch.no_grad()
def self_test(model: LoadedModel) -> tuple[SelfTestStep, ...]:
    """Prove that capture is exact on a model.

    Args:
        model: a decoder or an encoder.
    Returns:
        One step per claim, in order: logits are numbers; they equal the stock model's, bit for bit;
        every attention layer was seen; captured rows equal eager attention; an edit of nothing changes
        nothing; a real edit moves the logits; padding and batch order stay within a bound; a decoder's
        log-probabilities equal those of its own logits. NaN logits end the test at the first step.
    """
    if model.family == "encoder-decoder":
        return (_step("decoder or encoder", False, note="encoder-decoder models cannot be measured yet"),)
    ids = [list(model.encode(text).ids)[: model.max_length] for text in (_LONG, _SHORT)]
    alone = _outputs(model, ids[:1])
    if not torch.isfinite(alone).all():
        return (_step("logits are numbers", False, note="the logits hold NaN or infinite values"),)
    steps = [
        _step("logits are numbers", True),
        _equals_stock(model, ids[0], alone),
        *_rows_equal_eager(model, ids[0]),
        _edit_of_nothing(model, ids[0], alone),
        _real_edit(model, ids[0], alone),
        _padding_and_order(model, ids, alone),
    ]
    if model.family == "decoder":
        steps.append(_projection(model, ids[0], alone))
    return tuple(steps)


def _step(
    name: str, passed: bool, value: float | None = None, bound: float | None = None, note: str = ""
) -> SelfTestStep:
    if value is not None and not math.isfinite(value):
        return SelfTestStep(name=name, passed=False, bound=bound, note="the difference is not a number")
    return SelfTestStep(name=name, passed=passed, value=value, bound=bound, note=note)


def _outputs(model: LoadedModel, texts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Logits (hidden states, where a model has no head) of texts padded on the right, float32."""
    ids, mask = pad_right(texts, model.device)
    extra = {"use_cache": False} if model.family == "decoder" else {}
    output: torch.Tensor = model.net(input_ids=ids, attention_mask=mask, **extra)[0]
    return output.float()


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())


@contextmanager
def _implementation(model: LoadedModel, name: str) -> Iterator[None]:
    """Give the model a stock attention for a while."""
    model.net.set_attn_implementation(name)
    try:
        yield
    finally:
        model.net.set_attn_implementation(ROUTE)


def _equals_stock(model: LoadedModel, ids: list[int], alone: torch.Tensor) -> SelfTestStep:
    with _implementation(model, "sdpa"):
        stock = _outputs(model, [ids])
    return _step("logits equal stock SDPA", torch.equal(alone, stock), _distance(alone, stock), 0.0)


def _rows_equal_eager(model: LoadedModel, ids: list[int]) -> list[SelfTestStep]:
    capture = RowCapture(None)
    with instrument(capture):
        _outputs(model, [ids])
    expected = _attention_layers(model)
    fired = _step("every attention layer seen", len(capture.calls) == expected, len(capture.calls), expected)
    if not fired.passed:
        return [fired]
    with _implementation(model, "eager"):
        tokens = torch.tensor([ids], device=model.device)
        eager = model.net(input_ids=tokens, output_attentions=True).attentions
    bound = _ROWS.get(model.net.dtype, _ROWS_ROUNDED)
    name = "captured rows equal eager attention"
    if len(eager) != len(capture.calls):
        note = f"{len(capture.calls)} calls were captured, {len(eager)} layers are reported"
        return [fired, _step(name, False, bound=bound, note=note)]
    pairs = zip(capture.calls, eager, strict=True)
    worst = max(_distance(call.weights, whole.float()) for call, whole in pairs)
    return [fired, _step(name, worst <= bound, worst, bound)]


def _attention_layers(model: LoadedModel) -> int:
    """Layers that attend; hybrid models name those that do something else."""
    kinds = getattr(model.net.config.get_text_config(), "layer_types", None)
    return sum("attention" in kind for kind in kinds) if kinds else model.layers


class _ScaledHead:
    """An instrument that scales the output of one head in every layer."""

    def __init__(self, head: int, factor: float) -> None:
        self.head, self.factor = head, factor

    def __call__(self, call: AttentionCall) -> Attended:
        output, weights = call.attend()
        output[:, :, self.head] *= self.factor
        return output, weights


def _edited(model: LoadedModel, ids: list[int], factor: float) -> torch.Tensor:
    with instrument(_ScaledHead(model.heads - 1, factor)):
        return _outputs(model, [ids])


def _edit_of_nothing(model: LoadedModel, ids: list[int], alone: torch.Tensor) -> SelfTestStep:
    same = _edited(model, ids, 1.0)
    return _step("an edit of nothing changes nothing", torch.equal(alone, same), _distance(alone, same), 0.0)


def _real_edit(model: LoadedModel, ids: list[int], alone: torch.Tensor) -> SelfTestStep:
    moved = _distance(alone, _edited(model, ids, 0.0))
    note = "the bound is the least that must move"
    return _step("a real edit moves the logits", moved > _MOVED, moved, _MOVED, note)


def _padding_and_order(model: LoadedModel, ids: list[list[int]], alone: torch.Tensor) -> SelfTestStep:
    long, short = ids
    one, other = _outputs(model, [long, short]), _outputs(model, [short, long])
    single = _outputs(model, [short])[0]
    worst = max(
        _distance(one[0], alone[0]),
        _distance(other[1], alone[0]),
        _distance(one[1, : len(short)], single),
        _distance(other[0, : len(short)], single),
    )
    bound = _LOGITS.get(model.net.dtype, _LOGITS_ROUNDED)
    return _step("padding and batch order", worst <= bound, worst, bound)


def _projection(model: LoadedModel, ids: list[int], alone: torch.Tensor) -> SelfTestStep:
    tokens = torch.tensor([ids], device=model.device)
    hidden = model.net.base_model(input_ids=tokens, use_cache=False)[0][0, :-1]
    found = log_probabilities(model.net, hidden, tokens[0, 1:])
    expected = alone[0, :-1].log_softmax(-1).gather(-1, tokens[0, 1:, None])[:, 0]
    bound = _LOGITS.get(model.net.dtype, _LOGITS_ROUNDED)
    worst = _distance(found, expected)
    return _step("log-probabilities equal those of the logits", worst <= bound, worst, bound)
