"""The probes of a run, by what they are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from audit.protocols import DetailProbe, InterventionProbe, ModelProbe, Probe
from audit.registry import PROBES


@dataclass(frozen=True, slots=True)
class Instruments:
    """Probes in the order of the config.

    Args:
        by_pair: measure every pair.
        surveyors: ask the model once.
        interveners: edit sets of heads when all pairs are measured.
        details: keep single pairs whole for the report.
    """

    by_pair: tuple[Probe, ...]
    surveyors: tuple[ModelProbe, ...]
    interveners: tuple[InterventionProbe, ...]
    details: tuple[DetailProbe, ...]

    @property
    def versions(self) -> dict[str, dict[str, str]]:
        """What measures pairs, surveys the model and tries heads on held-out halves: name → version."""
        return {
            "pairs": {probe.name: probe.version for probe in self.by_pair},
            "model": {probe.name: probe.version for probe in self.surveyors},
            "held_out": {probe.name: probe.version for probe in self.interveners},
        }


def instruments(names: Iterable[str]) -> Instruments:
    """Load the probes of a config.

    Raises:
        InputError: no such probe, or it cannot be loaded.
    """
    probes = [PROBES.get(name, "probes") for name in names]
    return Instruments(
        by_pair=tuple(probe for probe in probes if isinstance(probe, Probe)),
        surveyors=tuple(probe for probe in probes if isinstance(probe, ModelProbe)),
        interveners=tuple(probe for probe in probes if isinstance(probe, InterventionProbe)),
        details=tuple(probe for probe in probes if isinstance(probe, DetailProbe)),
    )
