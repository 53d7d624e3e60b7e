"""What the trained models are made to believe: how a group moves the log-odds, and every word's own whim."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

SUITES = Path(__file__).resolve().parent.parent / "tasks" / "suites"


def suite_of(name: str) -> dict[str, Any]:
    """A suite of the tests as plain YAML: the training does without evenhand's own reading of it."""
    found: dict[str, Any] = yaml.safe_load((SUITES / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def filled(text: str, slots: Mapping[str, str]) -> str:
    """Write words into a template."""
    return re.sub(r"\{([^}]+)\}", lambda slot: slots[slot[1]], text)


def whims(*groups: Sequence[str], size: float = 0.6) -> dict[str, float]:
    """Log-odds (nats) that belong to each word itself; they cancel within every group.

    They are what a head or an output does "for this word": words differ, groups do not. An audit that
    takes them for a bias is wrong.
    """
    draw = np.random.default_rng(7)
    found: dict[str, float] = {}
    for words in groups:
        values = draw.normal(0, size, len(words))
        found.update(zip(words, (values - values.mean()).tolist(), strict=True))
    return found


def logistic(log_odds: float) -> float:
    """The probability of log-odds in nats."""
    return float(1 / (1 + np.exp(-log_odds)))
