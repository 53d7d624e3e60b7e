"""Ten times as many pairs: how time and peak memory grow."""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.ledger import write_figures
from tests.benchmarks.runs import whole_run, write_suite

_FEW, _MANY = 1_000, 10_000


def run_scaling() -> None:
    """One run of each size; a run of 20 pairs tells what starting takes."""
    with tempfile.TemporaryDirectory() as place:
        suites = {pairs: Path(place) / f"pairs-{pairs}.yaml" for pairs in (_FEW, _MANY)}
        for pairs, file in suites.items():
            write_suite(file, pairs)
        start = min(whole_run(suites[_FEW], "--limit", "20").seconds for _ in range(2))
        runs = {}
        for pairs, file in suites.items():
            runs[pairs] = whole_run(file)
            told = f"{runs[pairs].seconds:.0f} s, {runs[pairs].peak:.0f} MiB"
            print(f"  {pairs} pairs: {told}", file=sys.stderr)
    few, many = runs[_FEW], runs[_MANY]
    exponent = math.log((many.seconds - start) / (few.seconds - start)) / math.log(_MANY / _FEW)
    write_figures(
        "scaling",
        {
            "seconds to start": round(start, 1),
            "seconds": {str(pairs): round(run.seconds, 1) for pairs, run in runs.items()},
            "peak memory (MiB)": {str(pairs): round(run.peak) for pairs, run in runs.items()},
            "time exponent, start-up excluded": round(exponent, 3),
            "peak memory, times": round(many.peak / few.peak, 3),
        },
    )
