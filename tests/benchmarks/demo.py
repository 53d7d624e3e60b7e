"""The demo model, as both sides read it: evenhand's unpacked copy."""

from __future__ import annotations

import sys
from pathlib import Path
from weakref import WeakKeyDictionary

from probes.convert import converted
from probes.fingerprint import fingerprint
from probes.model import LoadedModel
from probes.resolve import DEMO, resolve


def demo_folder() -> Path:
    """The float32 folder that evenhand loads, for the peers."""
    source = resolve(DEMO)
    return converted(source.path, fingerprint(source)[source.path.name])


def forget(model: LoadedModel) -> None:
    """Let a model's tokens and everything that the probes know of its texts be found out anew."""
    model._encodings.clear()
    for name, module in list(sys.modules.items()):
        if name.startswith("probes."):
            for kept in vars(module).values():
                if isinstance(kept, WeakKeyDictionary):
                    kept.pop(model, None)
