"""Opens a network's attention to instruments: through transformers' interface, or at the softmax."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from transformers import PreTrainedModel

from audit.errors import ModelError
from audit.records import Stream
from probes.anatomy import Anatomy, survey
from probes.forward import trial_run
from probes.route import interface_names, through_interface
from probes.softmax_route import attach, detach, find_attention

Route = Literal["interface", "softmax"]


def open_attention(net: PreTrainedModel) -> Anatomy:
    """Route a network's attention through evenhand.

    The interface is taken where every attention matrix that the network reports passes through it.

    Args:
        net: loaded with ``attn_implementation="eager"`` (Falcon cannot be switched later).
    Raises:
        ModelError: the attention cannot be seen, or not all of it.
    """
    reported = sum(map(len, reported_attention(trial_run(net, output_attentions=True)).values()))
    if net._can_set_attn_implementation():
        net.set_attn_implementation(interface_names(net)[0])
        anatomy = _surveyed(net)
        if anatomy is not None and len(anatomy.places) == reported:
            return anatomy
        net.set_attn_implementation("eager")
    find_attention(net, lambda: trial_run(net))
    anatomy = survey(net)
    if len(anatomy.places) != reported:
        raise ModelError(
            f"{type(net).__name__} reports {reported} attention matrices, and {len(anatomy.places)} were seen; "
            "it cannot be measured exactly"
        )
    return anatomy


def _surveyed(net: PreTrainedModel) -> Anatomy | None:
    try:
        return survey(net)
    except ModelError:  # nothing comes through the interface, or too little: the softmax may show more
        return None


def reported_attention(output: Any) -> dict[Stream, Sequence[torch.Tensor]]:
    """The attention matrices in a network's output, by stream, layers without any left out.

    Args:
        output: of a run with ``output_attentions=True``.
    """
    names: dict[str, Stream] = {
        "attentions": "self",
        "encoder_attentions": "encoder",
        "decoder_attentions": "decoder",
        "cross_attentions": "cross",
    }
    return {
        stream: [matrix for matrix in found if matrix is not None]
        for name, stream in names.items()
        if (found := getattr(output, name, None))
    }


def route_of(net: PreTrainedModel) -> Route:
    """By which way a network's attention comes to instruments."""
    return "interface" if through_interface(net) else "softmax"


@contextmanager
def stock(net: PreTrainedModel, attention: str | None = None) -> Iterator[str]:
    """Give a network back its own attention for a while.

    Args:
        net: a network whose attention was opened.
        attention: ``eager``; None for what evenhand stands in for.
    Returns:
        The name of the stock attention.
    """
    if not through_interface(net):
        detach(net)
        try:
            yield "eager"
        finally:
            attach(net)
        return
    name, own = interface_names(net)
    net.set_attn_implementation(attention or own)
    try:
        yield attention or own
    finally:
        net.set_attn_implementation(name)
