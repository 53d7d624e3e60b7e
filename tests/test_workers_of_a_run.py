"""A run measured by two processes is the run of one with as many threads, byte by byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from tests.tiny_suite import write_suite

ROOT = Path(__file__).resolve().parent.parent


def result(suite: Path, model: Path, out: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-P", ROOT / "evenhand.py", "run", suite, "--model", model, "--out", out]
    done = subprocess.run(
        [*map(str, command), "--batch-size", "8", *options],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    audit: dict[str, Any] = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    for moment in ("started", "finished"):
        del audit["environment"][moment]
    return audit


def test_two_workers_give_the_bytes_of_one(tmp_path: Path, tiny_folder: Path) -> None:
    suite = write_suite(tmp_path)
    one = result(suite, tiny_folder, tmp_path / "one")
    two = result(suite, tiny_folder, tmp_path / "two", "--workers", "2")
    assert json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    for name in ("pairs", "outputs", "heads"):
        pd.testing.assert_frame_equal(
            *(pd.read_parquet(tmp_path / run / f"{name}.parquet") for run in ("one", "two")), check_exact=True
        )
