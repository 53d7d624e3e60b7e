"""The operations that the effects of all heads need: counted by hand, and against what the engine asks for."""

from __future__ import annotations

import numpy as np
import pytest
from torch.utils.flop_counter import FlopCounterMode

from audit.protocols import HeadChoice
from probes.preparation import prepare
from probes.read_heads import ReadHeads
from tests.benchmarks.nie_work import LayerWork, least, least_of, published_of
from tests.benchmarks.one_by_one import Exchange
from tests.probes import tiny

WORK = LayerWork(query=1, key_value=2, output=4, mlp=8, look=0)


@pytest.mark.parametrize(
    ("layers", "heads", "tokens", "rows", "expected"),
    [
        # One token before: 15. Both texts: 2 · 15. An edited row: 4 + 8, in both texts.
        (1, 1, 2, (1,), 15 + 2 * 15 + 2 * 12),
        # Half a layer's heads each: 4 / 2 + 8.
        (1, 2, 2, (1,), 15 + 2 * 15 + 2 * 2 * 10),
        # The last layer: keys and values of two rows, the rest of one. An edited row of layer 0: 12, then its
        # keys and values, and output and MLP of the row that predicts; one of layer 1 changes nothing.
        (2, 1, 3, (1,), 2 * 15 + 2 * (2 * 15 + 4 + 1 + 12) + 2 * (12 + 2 + 12)),
        # The layer behind the edited one: keys, values and query of one row, output and MLP of two.
        (3, 1, 3, (1,), 3 * 15 + 2 * (4 * 15 + 4 + 1 + 12) + 2 * (12 + 3 + 24 + 4 + 1 + 12 + 12 + 2 + 12)),
    ],
)
def test_the_least_work_is_what_is_counted_by_hand(
    layers: int, heads: int, tokens: int, rows: tuple[int, ...], expected: float
) -> None:
    assert least(WORK, layers, heads, tokens, rows) == expected


def test_attention_costs_one_look_per_token_that_is_seen() -> None:
    """Two texts of 1 + 1 tokens, one head, one layer: the first token once, the second in two texts."""
    assert least(LayerWork(0, 0, 0, 0, 1), 1, 1, 2, (1,)) == 1 + 2 * 2


def test_the_engine_asks_for_little_more_than_the_least() -> None:
    model, pair = tiny.decoder(), tiny.pair("nurse", "doctor")
    ((work,), _) = prepare(model, [pair])
    heads = HeadChoice(frozenset(np.ndindex(model.layers, model.heads)), frozenset())
    edits = ReadHeads(model, work.jobs[0], heads).edits
    with FlopCounterMode(display=False) as counter:
        work.engine.log_odds(work.jobs, edits)
    ids = model.encode(pair.a.text).ids, model.encode(pair.b.text).ids
    exchange = Exchange(ids, work.jobs[0].pronoun.rows, (5, 6))
    needed = least_of(model, exchange)
    assert needed <= counter.get_total_flops() <= 1.3 * needed
    assert published_of(model, exchange) > 5 * needed
