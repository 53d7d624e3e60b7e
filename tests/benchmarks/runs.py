"""Whole runs of the command, each in a process of its own, over a synthetic suite of any size."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

_ROOT = Path(__file__).resolve().parents[2]
_LISTS = _ROOT / "suites" / "lists"
#: Exit codes of runs that measured everything, whatever they decided.
_COMPLETE = (0, 1, 3)
_VERBS = ("asked", "called", "met", "thanked", "helped", "visited", "joined", "paid", "warned", "greeted")
_PLACES = ("after lunch", "in the hallway", "at the station", "on the train", "before the meeting")


@dataclass(frozen=True, slots=True)
class Whole:
    """What a whole run cost.

    Args:
        seconds: from start to end, loading the model included.
        peak: MiB that its first process held at most.
    """

    seconds: float
    peak: float


def write_suite(file: Path, pairs: int) -> None:
    """50 templates × 10 to 100 items × both orders, she against he: 1,000 to 10,000 pairs."""
    occupations, crossed = (
        yaml.safe_load((_LISTS / f"{name}.yaml").read_text(encoding="utf-8"))
        for name in ("occupations", "female_male_occupations")
    )
    female, male = zip(*crossed, strict=True)
    count = len(male)
    items = [[female[n % count], male[(n + n // count) % count]] for n in range(pairs // 100)]
    suite = {
        "suite": file.stem,
        "version": 1,
        "axis": "gender",
        "task": "coreference",
        "lists": {"occupation": occupations},
        "items": {"crossed": items},
        "arms": [
            {"id": "she", "group": "female", "slots": {"Pronoun": "She"}},
            {"id": "he", "group": "male", "slots": {"Pronoun": "He"}},
        ],
        "templates": [_template(verb, place, len(items)) for verb in _VERBS for place in _PLACES],
    }
    file.write_text(yaml.safe_dump(suite, sort_keys=False), encoding="utf-8")


def _template(verb: str, place: str, items: int) -> dict[str, object]:
    first, second = "{occupation.1}", "{occupation.2}"
    return {
        "id": f"{verb} {place}".replace(" ", "-"),
        "text": f"The {first} {verb} the {second} {place}. {{Pronoun}} liked the",
        "pick": {"items": "crossed", "per_template": items, "design": "latin_square", "both_orders": True},
        "mentions": {"pronoun": "{Pronoun}", "candidates": [first, second]},
        "stereotype": {"she": first, "he": second},
        "completions": {
            f" {second}": {"reads_pronoun_as": first},
            f" {first}": {"reads_pronoun_as": second},
        },
    }


def whole_run(suite: Path, *options: str) -> Whole:
    """``evenhand run``, attention and likelihood, into a folder that is thrown away.

    Raises:
        SystemExit: the run did not measure everything.
    """
    with tempfile.TemporaryDirectory() as place:
        out = ["--out", str(Path(place) / "run"), "--probes", "attention,likelihood", "--quiet"]
        command = [sys.executable, "-P", str(_ROOT / "evenhand.py"), "run", str(suite), "--model", "demo"]
        start = time.perf_counter()
        child = subprocess.Popen([*command, *out, *options], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
    code = child.returncode = os.waitstatus_to_exitcode(status)
    if code not in _COMPLETE:
        raise SystemExit(f"{' '.join(child.args)} ended with {code}")
    return Whole(seconds, used.ru_maxrss / 1024)
