"""CrowS-Pairs: 3,016 whole sentences after BOS, as lm-eval's ``crows_pairs_english`` asks for them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from audit.records import OutputRecord
from tests.benchmarks.likelihoods import OURS, Array, Portion, Task, measured, run_task
from tests.benchmarks.suites import public_pairs
from tests.benchmarks.timing import PORTIONS


def run_crows() -> None:
    """Every sentence; which of a pair is likelier is the preference."""
    pairs = public_pairs("crows-pairs", "crows_pairs", "crows_pairs_anonymized.csv")
    if pairs is None:
        print("crows: no shared/data/crows_pairs beside the repository", file=sys.stderr)
        return
    portions = [
        Portion(some, [("", text.text) for pair in some for text in (pair.a, pair.b)])
        for some in (pairs[first::PORTIONS] for first in range(PORTIONS))
    ]
    task = Task(
        name="crows",
        portions=portions,
        ours={OURS: measured},
        numbers=_numbers,
        expected=lambda _, values: np.array(values),
        prefer=lambda values: values[0::2] > values[1::2],
    )
    run_task(task)


def _numbers(portion: Portion, records: Sequence[OutputRecord]) -> Array:
    by_id = {(record.pair_id, record.arm): record.value for record in records}
    return np.array([by_id[pair.pair_id, text.arm] for pair in portion.pairs for text in (pair.a, pair.b)])
