"""Models with a known bias and their twins without it, trained once in a session, and audits of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

Trainer = Callable[[Path, float], Path]
Trained = Callable[[Trainer, float], Path]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The folder of a model that was trained with a dose of bias; each is trained when first asked for.

    Test workers share them: whoever comes first trains, the others wait.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def get(trainer: Trainer, dose: float) -> Path:
        folder = shared / f"{trainer.__name__}-{dose:g}"
        finished = Path(f"{folder}.finished")
        with FileLock(f"{folder}.lock"):
            if not finished.exists():
                started = time.process_time()
                trainer(folder, dose)
                finished.touch()
                print(f"{trainer.__name__}, dose {dose:g}: {time.process_time() - started:.1f} s of one core")
        return folder

    return get
