"""Which attention calls a model makes in one pass: of which stream and layer each of them is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from audit.errors import ModelError
from audit.records import Stream
from probes.attention_call import Attended, ObservedCall
from probes.forward import SOURCE, TARGET, trial_run
from probes.route import instrument

#: An attention module and how many-th call of it in one pass (ALBERT has one module for all layers).
CallKey = tuple[torch.nn.Module, int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attention call belongs.

    Args:
        stream: which attention.
        layer: from 0, within the stream's stack.
        by_token: whether its rows belong to tokens (those of Funnel's pooled blocks do not).
    """

    stream: Stream
    layer: int
    by_token: bool = True


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The attention of a model.

    Args:
        places: call → its place, in the order of the calls.
        layers: stream → layers of its stack, those without attention (hybrid models) too.
        heads: stream → query heads of a layer.
        causal: whether no text token looks to the right.
    """

    places: Mapping[CallKey, Place]
    layers: Mapping[Stream, int]
    heads: Mapping[Stream, int]
    causal: bool

    def missing(self, stream: Stream) -> tuple[int, ...]:
        """Layers of a stream that have no attention rows of their own."""
        own = (place for place in self.places.values() if place.stream == stream)
        there = {place.layer for place in own if place.by_token}
        return tuple(layer for layer in range(self.layers[stream]) if layer not in there)


@dataclass(frozen=True, slots=True)
class _Seen:
    key: CallKey
    shape: tuple[int, int, int, int]
    looks_right: bool


class _Survey:
    """An instrument that notes every call and changes nothing."""

    def __init__(self) -> None:
        self.counts: Counter[torch.nn.Module] = Counter()
        self.seen: list[_Seen] = []

    def __call__(self, call: ObservedCall) -> Attended:
        rows = call.rows(None)
        looks_right = rows.shape[2] == rows.shape[3] and bool((rows.triu(1) > 0).any())
        self.seen.append(_Seen((call.module, self.counts[call.module]), call.shape, looks_right))
        self.counts[call.module] += 1
        return call.attend()


def survey(net: PreTrainedModel) -> Anatomy:
    """Find the attention calls of a network, whose attention goes to instruments already.

    Raises:
        ModelError: no attention is seen, or its rows do not belong to tokens.
    """
    watch = _Survey()
    with instrument(watch):
        trial_run(net)
    name = type(net).__name__
    if not watch.seen:
        raise ModelError(f"no attention was seen in {name}; there is nothing to measure")
    names = {module: path for path, module in net.named_modules()}
    by_stream: dict[Stream, list[_Seen]] = {stream: [] for stream in _streams(net)}
    for seen in watch.seen:
        by_stream[_stream(seen, net, names)].append(seen)
    layers: dict[Stream, int] = {}
    heads: dict[Stream, int] = {}
    places: dict[CallKey, Place] = {}
    for stream, shape in _streams(net).items():
        own = by_stream[stream]
        heads[stream] = _heads(name, own, shape)
        numbers, layers[stream] = _layers([names[seen.key[0]] for seen in own], net)
        for seen, number in zip(own, numbers, strict=True):
            places[seen.key] = Place(stream, number, seen.shape[2:] == shape)
    ordered = {seen.key: places[seen.key] for seen in watch.seen}
    looks_right = any(seen.looks_right for seen in watch.seen if ordered[seen.key].by_token)
    return Anatomy(ordered, layers, heads, not looks_right)


def _heads(name: str, calls: Sequence[_Seen], shape: tuple[int, int]) -> int:
    """Query heads of a stream's layers.

    Raises:
        ModelError: no call has a row per token, or the layers differ.
    """
    counts = {seen.shape[1] for seen in calls if seen.shape[2:] == shape}
    if not counts:
        raise ModelError(
            f"the attention of {name} has no row of {shape[1]} weights for each of {shape[0]} tokens; "
            "it cannot be measured exactly"
        )
    if len(counts) > 1:
        raise ModelError(f"the layers of {name} have different numbers of heads; they cannot be told apart")
    return counts.pop()


def _streams(net: PreTrainedModel) -> dict[Stream, tuple[int, int]]:
    """Streams of a network, with queries and keys of the survey."""
    if not net.config.is_encoder_decoder:
        return {"self": (SOURCE, SOURCE)}
    return {
        "encoder": (SOURCE, SOURCE),
        "decoder": (TARGET, TARGET),
        "cross": (TARGET, SOURCE),
    }


def _stream(seen: _Seen, net: PreTrainedModel, names: Mapping[torch.nn.Module, str]) -> Stream:
    if not net.config.is_encoder_decoder:
        return "self"
    if seen.shape[2:] == (TARGET, SOURCE):
        return "cross"
    return "encoder" if "encoder" in names[seen.key[0]].split(".") else "decoder"


def _layers(paths: Sequence[str], net: PreTrainedModel) -> tuple[list[int], int]:
    """The layer of each call, and how many layers the stack has.

    A stack's list numbers its layers, those without attention too. Where lists are nested or modules are
    shared, the calls themselves are counted.
    """
    numbered = [_numbered(path) for path in paths]
    stacks = {stack for stack, _ in numbered}
    numbers = [number for _, number in numbered]
    if len(stacks) == 1 and -1 not in numbers and numbers == sorted(set(numbers)):
        stack = net.get_submodule(stacks.pop())
        return numbers, len(list(stack.children()))
    return list(range(len(paths))), len(paths)


def _numbered(path: str) -> tuple[str, int]:
    """``transformer.h.3.attn`` → ``("transformer.h", 3)``."""
    parts = path.split(".")
    for at, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[:at]), int(part)
    return path, -1
