"""A batch of pairs, what its measurement gave, and who measures batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from audit.config import RunConfig
from audit.errors import MeasurementError
from audit.pairs import Pair
from audit.protocols import HeadChoice, Model, PreparedProbe, Probe
from audit.records import Record


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs of one suite and contrast that all probes of a stage measure together.

    Args:
        stage: 1 or 2.
        pairs: at least one.
        heads: what stage 2 is told to measure.
    """

    stage: int
    pairs: tuple[Pair, ...]
    heads: HeadChoice


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a batch gave.

    Args:
        records: of the pairs that did not fail.
        failures: pair id → why it failed.
    """

    records: tuple[Record, ...]
    failures: Mapping[str, str]


class Crew(Protocol):
    """Measures batches: here, in other processes, or from records of an earlier run."""

    def measure(self, batches: Sequence[Batch]) -> Iterator[tuple[int, BatchResult]]:
        """Yield each batch's number among these and its result, as they come."""


class Alone:
    """Measures batches one after the other in this process.

    Args:
        model: the loaded model.
        pairs: all pairs of the run, whether or not they are left to be measured.
        probes: of all stages.
        config: handed to the probes.
    """

    def __init__(
        self, model: Model, pairs: Sequence[Pair], probes: Sequence[Probe], config: RunConfig
    ) -> None:
        self._model, self._probes, self._config = model, probes, config
        for probe in probes:
            if isinstance(probe, PreparedProbe):
                probe.prepare(model, [pair for pair in pairs if probe.wants(pair, config)], config)

    def measure(self, batches: Sequence[Batch]) -> Iterator[tuple[int, BatchResult]]:
        """Measure each batch when its turn comes."""
        for number, batch in enumerate(batches):
            yield number, measure_batch(self._model, batch, self._probes, self._config)


def measure_batch(model: Model, batch: Batch, probes: Sequence[Probe], config: RunConfig) -> BatchResult:
    """Measure a batch with every probe of its stage.

    A batch that fails is measured again pair by pair, so that one bad pair costs only itself.
    """
    records: list[Record] = []
    failures: dict[str, str] = {}
    for probe in (probe for probe in probes if probe.stage == batch.stage):
        wanted = [pair for pair in batch.pairs if probe.wants(pair, config) and pair.pair_id not in failures]
        if not wanted:
            continue
        try:
            records += list(probe.measure(model, wanted, config, batch.heads))
        except MeasurementError:
            for pair in wanted:
                try:
                    records += list(probe.measure(model, [pair], config, batch.heads))
                except MeasurementError as error:
                    failures[pair.pair_id] = _reason(error, pair)
    return BatchResult(tuple(record for record in records if record.pair_id not in failures), failures)


def _reason(error: MeasurementError, pair: Pair) -> str:
    """Why a pair failed, without its name, so that pairs that failed alike are counted together."""
    return str(error).removeprefix(f"{pair.suite}: pair ").removeprefix(f"{pair.pair_id}: ")
