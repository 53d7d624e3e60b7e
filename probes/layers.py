"""The layers of a stock decoder, called by evenhand: on other batches, and at some positions only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from audit.errors import ModelError


def decoder_layers(net: PreTrainedModel) -> list[torch.nn.Module]:
    """The blocks that hidden states pass through, in order.

    Raises:
        ModelError: no list of that many blocks exists.
    """
    count = net.config.get_text_config().num_hidden_layers
    for module in net.base_model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return list(module)
    raise ModelError(f"{type(net).__name__}: no stack of {count} decoder blocks found; causal probe refused")


@dataclass(frozen=True, slots=True)
class LayerCall:
    """What a family's code hands to one of its layers.

    Args:
        number: of the layer.
        forward: the layer's own code.
        hidden: ``[texts, positions, width]``.
        args, kwargs: everything else, such as rotary angles of the positions.
    """

    number: int
    forward: Callable[..., Any]
    hidden: torch.Tensor
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self, hidden: torch.Tensor, at: LayerCall | None = None) -> torch.Tensor:
        """The layer's output for other hidden states.

        Args:
            hidden: ``[texts, positions, width]``.
            at: the call of the same layer whose positions these are; None: this one.
        """
        output = self._output(hidden, at or self)
        states: torch.Tensor = output[0] if isinstance(output, tuple) else output
        return states

    def _output(self, hidden: torch.Tensor, at: LayerCall) -> Any:
        if "hidden_states" in at.kwargs:
            return self.forward(*at.args, **{**at.kwargs, "hidden_states": hidden})
        return self.forward(hidden, *at.args, **at.kwargs)


#: Stands in for a layer: receives its call and gives the hidden states that go on.
StandIn = Callable[[LayerCall], torch.Tensor]


@contextmanager
def standing_in(layers: Sequence[torch.nn.Module], receive: StandIn) -> Iterator[None]:
    """Send every layer's call through ``receive``; what else the network does stays its own."""
    kept = [vars(layer).get("forward") for layer in layers]
    tuples: list[bool] = []
    for number, layer in enumerate(layers):
        layer.forward = _stand_in(number, layer.forward, receive, tuples)
    try:
        yield
    finally:
        for layer, own in zip(layers, kept, strict=True):
            if own is None:
                del layer.forward
            else:
                layer.forward = own


def _stand_in(
    number: int, own: Callable[..., Any], receive: StandIn, tuples: list[bool]
) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        def watched(*args: Any, **kwargs: Any) -> Any:
            output = own(*args, **kwargs)
            tuples.append(isinstance(output, tuple))
            return output

        named = "hidden_states" in kwargs
        hidden = kwargs["hidden_states"] if named else args[0]
        call = LayerCall(number, watched, hidden, args if named else args[1:], kwargs)
        states = receive(call)
        return (states,) if tuples and tuples[0] else states

    return forward


@torch.no_grad()
def calls_at(net: PreTrainedModel, ids: torch.Tensor, positions: torch.Tensor) -> list[LayerCall]:
    """How a network calls its layers for tokens at some positions; only the first layer is run.

    Args:
        net: a decoder that takes positions.
        ids, positions: ``[1, tokens]``.
    """
    calls: list[LayerCall] = []

    def record(call: LayerCall) -> torch.Tensor:
        calls.append(call)
        return call.run(call.hidden) if call.number == 0 else call.hidden

    with standing_in(decoder_layers(net), record):
        net.base_model(input_ids=ids, position_ids=positions, use_cache=False)
    return calls
