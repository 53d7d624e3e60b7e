"""Run folders made of simulated tables: decided as a run is, without a model."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from audit.conclude import conclude, coverage_of
from audit.config import RunConfig
from audit.measured_run import manifest_of
from audit.results import Audit, ModelInfo, SuiteInfo
from audit.store import write_audit, write_json, write_table
from tests.audit.simulated import Planted, Tables, simulate, simulate_outputs

MODEL = ModelInfo(
    **{"name": "small", "family": "decoder", "architecture": "Small", "dtype": "float32", "device": "cpu"},
    **{"layers": 2, "heads": 4, "parameters": 1, "vocabulary": 1, "context": 1, "bos": True},
    **{"attention_route": "r", "hashes": {}, "self_test": ()},
)
CONFIG = RunConfig(probes=("attention", "likelihood", "causal"))
#: Templates, items, and items per template: the smallest design in which a planted head is found.
DESIGN = (20, 20, 6)


def simulated(
    planted: dict[tuple[int, int], Planted] | None = None,
    total_effect: float = 0.0,
    seed: int = 1,
    design: tuple[int, int, int] = DESIGN,
) -> tuple[Tables, pd.DataFrame]:
    """Tables of a run with planted heads and a planted total effect."""
    tables = simulate(planted or {}, seed, design=design, controls=False)
    return tables, simulate_outputs(tables.pairs, total_effect, seed + 100)


def write_run_of(
    folder: Path,
    tables: Tables,
    outputs: pd.DataFrame,
    *,
    config: RunConfig = CONFIG,
    model: ModelInfo = MODEL,
    suite_hash: str = "ab",
    evenhand: str = "0.1.0",
) -> Audit:
    """Write the folder of a finished run."""
    folder.mkdir()
    names = tables.pairs["suite"].unique()
    suites = [
        SuiteInfo(
            **{"name": name, "version": 1, "axis": "gender", "task": "coreference", "file": f"{name}.yaml"},
            **{"sha256": suite_hash, "pairs": 1, "treatment": 1, "control": 0, "clusters": 1, "items": 1},
        )
        for name in names
    ]
    environment = {
        "started": "2026-11-20T09:00:00+00:00",
        "finished": "2026-11-20T09:01:00+00:00",
        "versions": {"evenhand": evenhand},
    }
    frames = {"pairs": tables.pairs, "outputs": outputs}
    coverage = coverage_of(tables.pairs, ())
    audit = conclude(config, model, suites, frames, tables.heads, coverage, environment)
    for name, table in (*frames.items(), ("heads", tables.heads)):
        write_table(folder, name, table)
    write_json(folder / "manifest.json", manifest_of(audit, None, {}))
    write_audit(folder, audit)
    return audit
