"""Keeps the libraries beneath from writing to the terminal while they load."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from huggingface_hub.utils.tqdm import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)
from transformers.utils import logging as transformers_logging

_TALKATIVE = ("gguf", "gguf.gguf_reader", "huggingface_hub", "accelerate")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence progress bars, log lines below errors, and warnings; restore everything afterwards."""
    library: Any = transformers_logging  # its functions carry no types
    verbosity, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    hub_bars = not are_progress_bars_disabled()
    levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
    library.set_verbosity_error()
    library.disable_progress_bar()
    disable_progress_bars()
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        library.set_verbosity(verbosity)
        if bars:
            library.enable_progress_bar()
        if hub_bars:
            enable_progress_bars()
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
