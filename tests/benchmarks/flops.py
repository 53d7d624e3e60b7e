"""Floating-point work of the likelihood run against torch's own matrix products of the same shapes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from audit.pairs import Pair
from audit.planning import plan
from probes.load import load
from probes.model import LoadedModel
from tests.benchmarks.demo import forget
from tests.benchmarks.ledger import write_figures
from tests.benchmarks.likelihoods import measured
from tests.benchmarks.products import PRODUCTS, asked_for, best_product
from tests.benchmarks.suites import public_pairs
from tests.benchmarks.timing import PORTIONS, Row, clocked, interleaved, spread

RUN = "likelihood run"


def run_flops() -> None:
    """CrowS-Pairs, a fifth in every round, and after each the best rate that torch reaches."""
    pairs = public_pairs("crows-pairs", "crows_pairs", "crows_pairs_anonymized.csv")
    if pairs is None:
        print("flops: no shared/data/crows_pairs beside the repository", file=sys.stderr)
        return
    portions = [pairs[first::PORTIONS] for first in range(PORTIONS)]
    write_figures("flops", {dtype: _rates(dtype, portions) for dtype in ("float32", "bfloat16")})


def _rates(dtype: str, portions: Sequence[Sequence[Pair]]) -> Row:
    model = load("demo", dtype=dtype)
    done = []
    for portion in portions:
        forget(model)
        done.append(asked_for(lambda portion=portion: measured(model, portion)))
    needed = [_needed(model, portion) for portion in portions]
    timed = interleaved(
        {
            RUN: clocked(lambda n: measured(model, portions[n % PORTIONS]), before=lambda: forget(model)),
            PRODUCTS: clocked(lambda _: best_product(model)),
        }
    )
    turns = [number % PORTIONS for number in range(1, len(timed.seconds[RUN]) + 1)]
    seconds, best = timed.seconds[RUN], timed.numbers[PRODUCTS]
    rates = [done[turn] / second for turn, second in zip(turns, seconds, strict=True)]
    useful = [needed[turn] / second for turn, second in zip(turns, seconds, strict=True)]
    return {
        "run, GFLOP/s": spread([rate / 1e9 for rate in rates]),
        "best product, GFLOP/s": spread([rate / 1e9 for rate in best]),
        "share of the best product": spread([a / b for a, b in zip(rates, best, strict=True)]),
        "the same, every text counted alone": spread([a / b for a, b in zip(useful, best, strict=True)]),
        "TFLOP of all portions": float(f"{sum(done) / 1e12:.4g}"),
        "TFLOP, every text alone": float(f"{sum(needed) / 1e12:.4g}"),
    }


def _needed(model: LoadedModel, pairs: Sequence[Pair]) -> float:
    """``2 · weights`` a token, ``2 · vocabulary`` a scored one, and attention to every token before it.

    Every text is read once, without its last token, after which nothing is predicted.
    """
    config = model.net.config
    head = int(model.net.get_output_embeddings().weight.numel())
    blocks = sum(weight.numel() for weight in model.net.base_model.layers.parameters())
    texts = {text.text for batch in plan(pairs, model, None).batches for p in batch for text in (p.a, p.b)}
    lengths = [len(model.encode(text).ids) - 1 for text in texts]
    looks = sum(length * (length + 1) / 2 for length in lengths)
    attention = 4 * looks * config.hidden_size * config.num_hidden_layers
    return 2 * (blocks + head) * sum(lengths) + attention
