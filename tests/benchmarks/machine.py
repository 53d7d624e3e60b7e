"""Where figures were found: processor, threads, versions."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.timing import ROUNDS, Row, threads

#: What torch's matrix products make use of.
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16")
_CPUINFO = Path("/proc/cpuinfo")


def machine(peers: Row) -> Row:
    """What tells one machine's figures from another's.

    Args:
        peers: versions of what was compared with, as their environment tells them.
    """
    told = _CPUINFO.read_text(encoding="utf-8") if _CPUINFO.exists() else ""
    fields = dict(map(str.strip, line.split(":", 1)) for line in told.splitlines() if ":" in line)
    flags = set(fields.get("flags", "").split())
    return {
        "date": dt.date.today().isoformat(),
        "processor": fields.get("model name", platform.processor() or platform.machine()),
        "cores": os.cpu_count(),
        "flags": [flag for flag in _FLAGS if flag in flags],
        "threads": threads(),
        "rounds": ROUNDS,
        "load before": round(os.getloadavg()[2], 1),
        "python": platform.python_version(),
        "torch": version("torch"),
        "transformers": version("transformers"),
        "peers": peers,
    }
