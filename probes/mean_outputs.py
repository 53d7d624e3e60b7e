"""What every head gives on average on neutral text: what stands in for its output under mean ablation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import torch

from audit.errors import MeasurementError
from audit.records import Stream
from probes.anatomy import Anatomy
from probes.attention_call import Attended, AttentionCall
from probes.forward import forward
from probes.model import LoadedModel
from probes.patterns import neutral_texts
from probes.route import instrument, through_interface
from probes.row_padding import pad_right
from probes.stack import batches

#: Stream and layer → ``[heads, d]`` float32 mean output of each head, before the output projection.
MeanOutputs = Mapping[tuple[Stream, int], torch.Tensor]

#: Padded tokens of one pass.
_TOKENS = 1024

_known: WeakKeyDictionary[LoadedModel, MeanOutputs] = WeakKeyDictionary()


def mean_outputs(model: LoadedModel) -> MeanOutputs:
    """Mean output of every head over all tokens of the neutral texts; computed once per model.

    ``mean_h = (1/T) Σ_t Σ_k A_h[t,k] v_k``, T tokens of ``suites/texts/neutral.yaml``, special tokens included.
    Wang et al. (2023, section 2.1) take the mean over a reference distribution, too; neutral text is one that no
    suite and no batch has a part in. The decoder of an encoder–decoder reads the text that its encoder reads.

    Args:
        model: whose attention goes through the interface.
    Raises:
        MeasurementError: its heads' outputs are not seen, are no numbers, or no text fits into its window.
    """
    if model not in _known:
        _known[model] = _measured(model)
    return _known[model]


@torch.no_grad()
def _measured(model: LoadedModel) -> MeanOutputs:
    if not through_interface(model.net):
        raise MeasurementError(
            "the mean of a head's output is not known: this family bypasses the attention interface"
        )
    texts = [ids for text in neutral_texts() if len(ids := model.encode(text).ids) <= model.max_length]
    if not texts:
        raise MeasurementError(f"{model.name}: no neutral text fits into its context window")
    sums = _OutputSums(model.anatomy)
    for batch in batches(model, texts, _TOKENS):
        tokens, mask = pad_right(batch, model.device, model.pad)
        sums.start(torch.ones_like(tokens) if mask is None else mask)
        with instrument(sums):
            forward(model.net.base_model, tokens, mask, _decoded(model, batch))
    means = {place: (total / sum(map(len, texts))).float() for place, total in sums.totals.items()}
    if not all(bool(mean.isfinite().all()) for mean in means.values()):
        raise MeasurementError(f"{model.name}: the outputs of its heads are NaN or infinite on neutral text")
    return means


def _decoded(model: LoadedModel, batch: Sequence[tuple[int, ...]]) -> torch.Tensor | None:
    """What the decoder of an encoder–decoder reads: its start, then the text, as many tokens as the encoder."""
    if model.family != "encoder-decoder":
        return None
    shifted = [(*model.target_start, *ids)[: len(ids)] for ids in batch]
    return pad_right(shifted, model.device, model.pad)[0]


class _OutputSums:
    """An instrument that adds up the heads' outputs over the tokens of texts, and changes nothing."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.totals: dict[tuple[Stream, int], torch.Tensor] = {}
        self._anatomy = anatomy

    def start(self, mask: torch.Tensor) -> None:
        """Begin a pass over texts whose tokens ``[texts, tokens]`` are 1 and whose padding is 0."""
        self._there = mask.bool()
        self._counts: Counter[torch.nn.Module] = Counter()

    def __call__(self, call: AttentionCall) -> Attended:
        place = self._anatomy.places[call.module, self._counts[call.module]]
        self._counts[call.module] += 1
        output, weights = call.attend()
        if place.by_token:
            key, total = (place.stream, place.layer), output[self._there].double().sum(0)
            self.totals[key] = self.totals[key] + total if key in self.totals else total
        return output, weights
