"""Surveys what every head of a model does on neutral text, so that a flagged head can be known by its habit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.loader import ROOT
from audit.patterns import Survey
from audit.records import PatternRecord
from audit.suite import Suite
from audit.words import words
from audit.yaml_lines import read_document
from probes.capture import StreamCapture
from probes.forward import forward
from probes.model import LoadedModel
from probes.route import instrument
from probes.row_padding import pad_right
from probes.stack import batches, stack

Array = npt.NDArray[np.float64]

#: Padded tokens of one pass.
_TOKENS = 1024


class PatternsProbe:
    """Each head's type on texts without people, and the scores behind it (see :mod:`audit.patterns`).

    In an encoder–decoder model the encoder is surveyed.
    """

    name = "patterns"
    version = "1"

    def survey(
        self, model: LoadedModel, suites: Sequence[Suite], config: RunConfig
    ) -> Iterator[PatternRecord]:
        """Survey the model once, whatever the suites.

        Raises:
            MeasurementError: attention is NaN, or no text fits into the context window.
        """
        texts = [text for text in neutral_texts() if len(model.encode(text).ids) <= model.max_length]
        if not texts:
            raise MeasurementError(f"{model.name}: no neutral text fits into its context window")
        survey = Survey(causal=model.anatomy.causal)
        # Layers without attention rows (of hybrid models, of pooled blocks) are NaN, and stay so.
        there = sorted(set(range(model.layers)) - set(model.anatomy.missing(model.stream)))
        for text, weights in zip(texts, _read(model, texts), strict=True):
            if not np.isfinite(weights[there]).all():
                raise MeasurementError(f"{model.name}: its attention is NaN on {text!r}")
            survey.add(weights, words(text, model.encode(text)))
        yield survey.record(model.stream)


def neutral_texts() -> tuple[str, ...]:
    """The neutral texts: things and places, commas and quotation marks, words that come again."""
    return tuple(read_document(ROOT / "suites" / "texts" / "neutral.yaml").data)


@torch.no_grad()
def _read(model: LoadedModel, texts: Sequence[str]) -> Iterator[Array]:
    """For each text ``[layers, heads, tokens, tokens]``."""
    for batch in batches(model, [model.encode(text).ids for text in texts], _TOKENS):
        ids, mask = pad_right(batch, model.device, model.pad)
        every = torch.arange(ids.shape[1], device=model.device).expand(ids.shape)
        capture = StreamCapture(model.anatomy, {model.stream: every})
        with instrument(capture):
            forward(stack(model), ids, mask)
        whole = capture.weights(model.stream).numpy()
        for weights, tokens in zip(whole, map(len, batch), strict=True):
            yield np.asarray(weights[..., :tokens, :tokens], dtype=np.float64)
