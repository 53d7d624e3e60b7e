"""Surveys what every head of a model does on neutral text, so that a flagged head can be known by its habit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from audit.align import words
from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.loader import ROOT
from audit.patterns import Survey
from audit.records import PatternRecord, Stream
from audit.suite import Suite
from audit.yaml_lines import read_document
from probes.capture import RowCapture
from probes.model import LoadedModel
from probes.route import instrument
from probes.sequences import pad_right
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
        survey = Survey(causal=model.family == "decoder")
        for text, weights in zip(texts, _read(model, texts), strict=True):
            if not np.isfinite(weights).all():
                raise MeasurementError(f"{model.name}: its attention is NaN on {text!r}")
            survey.add(weights, words(text, model.encode(text)))
        stream: Stream = "encoder" if model.family == "encoder-decoder" else "self"
        yield survey.record(stream)


def neutral_texts() -> tuple[str, ...]:
    """The neutral texts: things and places, commas and quotation marks, words that come again."""
    return tuple(read_document(ROOT / "suites" / "texts" / "neutral.yaml").data)


@torch.no_grad()
def _read(model: LoadedModel, texts: Sequence[str]) -> Iterator[Array]:
    """For each text ``[layers, heads, tokens, tokens]``."""
    for batch in batches(model, [model.encode(text).ids for text in texts], _TOKENS):
        ids, mask = pad_right(batch, model.device, model.pad)
        capture = RowCapture(None)
        with instrument(capture):
            stack(model)(input_ids=ids, attention_mask=mask)
        whole = torch.stack([call.weights for call in capture.calls], 1).cpu().numpy()
        for weights, tokens in zip(whole, map(len, batch), strict=True):
            yield np.asarray(weights[..., :tokens, :tokens], dtype=np.float64)
