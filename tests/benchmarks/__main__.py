"""``python -m tests.benchmarks [PART …] [--threads N] [--rounds N]``: the comparisons of README.md, one by one."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from tests.benchmarks.fresh import in_fresh_process
from tests.benchmarks.parts import PARTS, run_part


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--threads", type=int, default=2, help="of torch, on either side (2)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="counted ones (5); figures of fewer are shown and not kept"
    )
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.parts) - set(PARTS)):
        print(f"unknown part {unknown[0]!r}; expected {', '.join(PARTS)}", file=sys.stderr)
        return 2
    # Before torch and its libraries start, and for every child.
    os.environ |= {
        "OMP_NUM_THREADS": str(chosen.threads),
        "BENCHMARK_ROUNDS": str(chosen.rounds),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    for name in chosen.parts or PARTS:
        start = time.perf_counter()
        in_fresh_process(run_part, name)  # a part's memory and threads are its own
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
