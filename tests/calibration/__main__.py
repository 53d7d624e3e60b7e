"""``python -m tests.calibration [PART …]``: every figure of README.md, part by part; goes on where it was cut short."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from tests.calibration import coverage, held_out, nulls, planted

PARTS: dict[str, Callable[[], None]] = {
    "planted": planted.run_planted,
    "doses": planted.run_doses,
    "demo": nulls.run_demo,
    "held-out": held_out.run_held_out,
    "untrained": nulls.run_untrained,
    "coverage": coverage.run_coverage,
    "power": coverage.run_power,
}


def main(names: list[str]) -> int:
    if unknown := sorted(set(names) - set(PARTS)):
        print(f"unknown part {unknown[0]!r}; expected {', '.join(PARTS)}", file=sys.stderr)
        return 2
    for name in names or PARTS:
        start = time.perf_counter()
        PARTS[name]()
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
