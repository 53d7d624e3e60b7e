"""The key of a measurement: a digest of everything that determines what it gives."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from audit.agreement import RULES
from audit.batches import Batch
from audit.config import RunConfig
from audit.loader import ROOT
from audit.pairs import Pair
from audit.protocols import InterventionProbe, PreparedProbe, Probe
from audit.results import ModelInfo
from audit.shards import FORMAT

#: Settings that decide about what was measured, and change nothing in it. The choice of heads, which the rules
#: make, and the sets of heads that are tried are parts of the keys themselves.
_DECIDING: dict[str, Any] = {
    **dict.fromkeys(("preset", "checks", "waivers", "detail", *RULES), True),
    "causal": {"heads"},
    "ablation": {"sets", "priced"},
}
#: What a model is called, and how its proof went, is no part of what it computes.
_TOLD = {"name", "self_test"}
#: Of a pair: where its author wrote it.
_WRITTEN = {"file", "line"}
#: Versions that decide about what is measured.
PACKAGES = ("evenhand", "torch", "transformers", "tokenizers", "numpy")


@dataclass(frozen=True, slots=True)
class RunKey:
    """What all measurements of a run have in common.

    Args:
        digest: of the model's files, type, device and attention route, the versions and the source of what
            measures, threads, and the settings that probes read.
        together: of all pairs that are measured, in their order.
        probes: of all stages.
        source: of the code that measures.
    """

    digest: str
    together: str
    probes: tuple[Probe, ...]
    source: str

    def of_batch(self, batch: Batch) -> str:
        """The key of a batch: its pairs in full, the heads to measure, and the probes of its stage.

        Where one of these was shown all pairs before, what it measures may depend on all of them.
        """
        own = [probe for probe in self.probes if probe.stage == batch.stage]
        shown = self.together if any(isinstance(probe, PreparedProbe) for probe in own) else None
        probes = [(probe.name, probe.version) for probe in own]
        return _digest((self.digest, "batch", probes, shown, batch))

    def of_trial(self, probe: InterventionProbe, what: object) -> str:
        """The key of what an intervention gives: the probe, and the pairs and sets of heads it is told."""
        return _digest((self.digest, "trial", probe.name, probe.version, what))


def run_key(
    model: ModelInfo,
    config: RunConfig,
    probes: Sequence[Probe],
    others: Sequence[object],
    environment: Mapping[str, Any],
    pairs: Sequence[Pair] = (),
) -> RunKey:
    """Digest what determines every measurement of a run.

    Args:
        model: what was loaded.
        config: how to measure.
        probes: that measure pairs.
        others: further instruments; their source counts, too.
        environment: ``versions`` and ``threads``.
        pairs: all that are measured.
    """
    settings = config.model_dump(mode="json", exclude=_DECIDING)
    settings["probes"] = [probe.name for probe in probes]
    versions = {name: environment["versions"][name] for name in PACKAGES}
    loaded = model.model_dump(mode="json", exclude=_TOLD)
    source = _source([*probes, *others])
    common = (FORMAT, loaded, settings, versions, environment["threads"], source)
    return RunKey(_digest(common), _digest(tuple(pairs)), tuple(probes), source)


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    """What JSON knows, of what it does not."""
    if is_dataclass(value):
        return {
            field.name: getattr(value, field.name) for field in fields(value) if field.name not in _WRITTEN
        }
    if isinstance(value, Set):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a key")


def _source(parts: Sequence[object]) -> str:
    """Digest of the code that measures and of the neutral texts: versions stay while a checkout is worked on."""
    files = {*Path(__file__).parent.glob("*.py")}
    for part in parts:
        try:
            file = Path(inspect.getfile(type(part)))
        except (TypeError, OSError):  # a class of an interactive session has no file
            continue
        files |= {*file.parent.glob("*.py")} if "." in type(part).__module__ else {file}
    files |= {*(ROOT / "suites" / "texts").glob("*.yaml")}
    told = sorted(
        (file.parent.name, file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files
    )
    return _digest(told)
