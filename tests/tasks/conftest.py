"""Models with a known bias and their twins without it, trained once in a session, and audits of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

Trainer = Callable[[Path, float], Path]
Trained = Callable[[Trainer, float], Path]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The folder of a model that was trained with a dose of bias; each is trained when first asked for."""
    made: dict[tuple[Trainer, float], Path] = {}

    def get(trainer: Trainer, dose: float) -> Path:
        if (trainer, dose) not in made:
            started = time.process_time()
            made[trainer, dose] = trainer(tmp_path_factory.mktemp(trainer.__name__), dose)
            print(f"{trainer.__name__}, dose {dose:g}: {time.process_time() - started:.1f} s of one core")
        return made[trainer, dose]

    return get
