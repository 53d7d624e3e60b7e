"""Attention rows of the quickstart: against BertViz's way, and against a forward that captures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from audit.config import RunConfig
from audit.pairs import Pair, Span, Text
from audit.planning import plan
from audit.protocols import HeadChoice
from audit.records import Record
from probes import tree_sequences
from probes.attention import AttentionProbe
from probes.load import load
from probes.model import LoadedModel
from probes.prefix_tree import Row
from probes.reading import read
from probes.tree_pass import read_rows
from probes.whole_attention import read_whole
from tests.benchmarks.demo import demo_folder, forget
from tests.benchmarks.fresh import Cost, cost_of, in_fresh_process
from tests.benchmarks.ledger import write_figures
from tests.benchmarks.peer import Peer
from tests.benchmarks.suites import quickstart
from tests.benchmarks.timing import PORTIONS, clocked, interleaved
from tests.benchmarks.timing import Row as Figures

OURS = "evenhand"
BERTVIZ, PLAIN, BARE = "BertViz's way", "plain SDPA forward", "the same passes, nothing captured"
_CONFIG = RunConfig(probes=("attention",))
#: Long texts whose peak memory is compared.
_TEXTS, _TOKENS = 4, 512


@dataclass(frozen=True, slots=True)
class Portion:
    """Some of the batches that a run plans, and what they make the network read."""

    batches: Sequence[tuple[Pair, ...]]
    passes: Sequence[Sequence[Row]]

    def texts(self) -> list[str]:
        """Every text once."""
        return list(
            dict.fromkeys(text.text for batch in self.batches for pair in batch for text in (pair.a, pair.b))
        )


def run_rows() -> None:
    """A fifth of the batches in every round."""
    model, stock = load("demo"), _stock()
    batches = plan(quickstart(), model, None).batches
    read(model, batches[0], rows=True, scores=False)  # what is tried on a model once
    portions = [_recorded(model, batches[first::PORTIONS]) for first in range(PORTIONS)]
    parts = [[model.encode(text).ids for text in portion.texts()] for portion in portions]

    def portion(number: int) -> Portion:
        return portions[number % PORTIONS]

    with Peer("bertviz_rows", model=str(demo_folder()), parts=parts) as peer:
        timed = interleaved(
            {
                OURS: clocked(lambda n: _probe(model, portion(n)), before=lambda: forget(model)),
                PLAIN: clocked(lambda n: _plain(stock, portion(n))),
                BARE: clocked(lambda n: _bare(model, portion(n))),
                BERTVIZ: lambda n: peer.run(part=n % PORTIONS),
            }
        )
        peers = peer.versions
    rounds = len(timed.numbers[BERTVIZ])
    off = [
        _off(model, portion(n + 1), row) for n, row in zip(range(rounds), timed.numbers[BERTVIZ], strict=True)
    ]
    figures: Figures = {
        "texts": sum(map(len, parts)),
        "seconds a round": timed.spread(),
        "times as fast as BertViz's way": timed.ratio(BERTVIZ, OURS),
        "times of a plain SDPA forward": timed.ratio(OURS, PLAIN),
        "times of the same passes, nothing captured": timed.ratio(OURS, BARE),
        "largest difference of a weight": float(f"{max(off):.2g}"),
        f"peak memory at {_TEXTS} × {_TOKENS} tokens (MiB)": _peaks(),
    }
    write_figures("rows", figures, peers)


def _stock() -> Any:
    return AutoModelForCausalLM.from_pretrained(demo_folder(), attn_implementation="sdpa").eval()


def _recorded(model: LoadedModel, batches: Sequence[tuple[Pair, ...]]) -> Portion:
    """Batches of pairs with the passes over prefix trees that they become."""
    seen: list[Sequence[Row]] = []
    right = tree_sequences.read_rows

    def record(net: PreTrainedModel, rows: Sequence[Row]) -> torch.Tensor:
        seen.append(rows)
        return right(net, rows)

    portion = Portion(batches, seen)
    forget(model)
    with mock.patch.object(tree_sequences, "read_rows", record):
        _probe(model, portion)
    ids = [model.encode(text).ids for text in portion.texts()]
    read = sum(len(row.ids) for rows in seen for row in rows)
    if read < len({one[:end] for one in ids for end in range(1, len(one) + 1)}):
        raise RuntimeError("the attention probe reads less than every distinct prefix")
    return portion


def _probe(model: LoadedModel, portion: Portion) -> list[Record]:
    """What a run does with the attention probe."""
    probe, heads = AttentionProbe(), HeadChoice()
    return [record for batch in portion.batches for record in probe.measure(model, batch, _CONFIG, heads)]


def _bare(model: LoadedModel, portion: Portion) -> None:
    """The same passes, and nobody watches."""
    for rows in portion.passes:
        read_rows(model.net, rows)


@torch.no_grad()
def _plain(stock: Any, portion: Portion) -> None:
    """The same rows of trees through the stock model, padded, with a mask and positions."""
    for rows in portion.passes:
        longest = max(len(row.ids) for row in rows)
        ids, positions = torch.zeros(2, len(rows), longest, dtype=torch.long)
        mask = torch.eye(longest, dtype=torch.bool).repeat(len(rows), 1, 1, 1)
        for number, row in enumerate(rows):
            length = len(row.ids)
            ids[number, :length], positions[number, :length] = torch.tensor([row.ids, row.depths])
            mask[number, 0, :length, :length] = torch.from_numpy(row.ancestors())
        stock.base_model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False)


def _off(model: LoadedModel, portion: Portion, theirs: Sequence[float]) -> float:
    """Difference of the last row of a portion's first text."""
    text = portion.texts()[0]
    own = read_whole(model, text).weights[model.stream]
    return float(np.abs(own[:, :, -1].ravel() - np.array(theirs)).max())


def _peaks() -> Figures:
    rows, plain = (in_fresh_process(work) for work in (_rows_cost, _plain_cost))
    return {
        "evenhand": round(rows.peak),
        "plain": round(plain.peak),
        "evenhand, above the loaded model": round(rows.above),
        "plain, above the loaded model": round(plain.above),
        "above plain": round(rows.above - plain.above),
    }


def _rows_cost() -> Cost:
    model = load("demo")
    list(AttentionProbe().measure(model, quickstart()[:1], _CONFIG, HeadChoice()))
    pairs = _long_pairs(model)
    return cost_of(lambda: list(AttentionProbe().measure(model, pairs, _CONFIG, HeadChoice())))


def _plain_cost() -> Cost:
    """With evenhand loaded as well, so that both processes hold the same libraries and one model."""
    model = load("demo")
    pairs = _long_pairs(model)
    ids = torch.tensor([model.encode(text.text).ids for pair in pairs for text in (pair.a, pair.b)])
    del model
    stock = _stock()
    with torch.no_grad():
        stock.base_model(input_ids=ids[:, :16], use_cache=False)
        return cost_of(lambda: stock.base_model(input_ids=ids, use_cache=False))


def _long_pairs(model: LoadedModel) -> list[Pair]:
    """Pairs of the quickstart with words before them, up to the length that is compared.

    Words behind the swap would all be compared, and their rows are most of the matrix.
    """

    def lengthened(text: Text) -> Text:
        before = "So " * (_TOKENS - len(model.encode(text.text).ids))

        def moved(span: Span) -> Span:
            return span[0] + len(before), span[1] + len(before)

        mentions = {name: moved(span) for name, span in text.mentions.items()}
        return replace(text, text=before + text.text, swap=tuple(map(moved, text.swap)), mentions=mentions)

    chosen = quickstart(lambda pair: pair.kind == "treatment")[: _TEXTS // 2]
    return [replace(pair, a=lengthened(pair.a), b=lengthened(pair.b), completions=None) for pair in chosen]
