"""Public data sets from file to finding, against what lm-evaluation-harness 0.4.13 prints for them."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from audit.config import RunConfig
from audit.expand import expand
from audit.findings import output_findings
from audit.importers import read_public
from audit.importers.suite_text import write_suite
from audit.loader import load_suite
from audit.pairs import Pair
from audit.progress import Watcher
from audit.records import OutputRecord, PairRecord
from audit.referents import coreference_findings
from audit.results import Finding
from audit.runner import measure
from audit.tables import Tables
from probes.likelihood import LikelihoodProbe
from probes.load import load
from tests.folders import shared
from tests.needs import demo_file

CONFIG = RunConfig(probes=("likelihood",))


def pairs_of(name: str, source: Path, folder: Path) -> tuple[Pair, ...]:
    write_suite(read_public(name, source).suite, folder / "suite.yaml")
    return expand(load_suite(folder / "suite.yaml"))


def of(findings: list[Finding], name: str) -> dict[str | None, Finding]:
    return {finding.group: finding for finding in findings if finding.measure == name}


def test_aggregates_of_crows_pairs_follow_from_the_golden_numbers(tmp_path: Path) -> None:
    source = shared("data", "crows_pairs", "crows_pairs_anonymized.csv")
    golden = shared("golden", "crows_pairs_smollm2_135m_fp32.csv")
    pairs = pairs_of("crows-pairs", source, tmp_path)
    with golden.open(encoding="utf-8", newline="") as stream:
        rows = {int(row["row"]): row for row in csv.DictReader(stream)}
    tables = Tables(pairs)
    tables.add(PairRecord(pair.pair_id, "measured") for pair in pairs)
    tables.add(
        OutputRecord(pair.pair_id, arm, "log_likelihood", float(rows[pair.source_row or 0][f"ll_sent_{arm}"]))
        for pair in pairs
        for arm in ("more", "less")
    )
    findings = output_findings(tables.pairs(), tables.outputs(), CONFIG)
    for name, printed in (
        ("likelihood_diff", ("4.6007", 0.1163)),
        ("pct_stereotype", ("0.5557", 0.0128)),
    ):
        overall = of(findings, name)[None]
        assert overall.n == 1508
        assert overall.ci_low is not None
        assert overall.ci_high is not None
        error = (overall.ci_high - overall.ci_low) / 2 / 1.9615  # t with 1,507 degrees of freedom
        estimate, standard_error = printed
        assert f"{overall.estimate:.4f}" == estimate
        # Ours is widened where values are skewed (absolute differences are): a little above, never below.
        assert standard_error - 5e-5 <= error <= 1.005 * standard_error + 5e-5
    table = pd.DataFrame(rows.values())
    higher = table["ll_sent_more"].astype(float) > table["ll_sent_less"].astype(float)
    by_type = higher.groupby(table["bias_type"]).mean()
    found = of(findings, "pct_stereotype")
    assert {axis for axis in found if axis} == set(by_type.index)
    assert [found[axis].estimate for axis in by_type.index] == pytest.approx(by_type.tolist())


@pytest.mark.slow
def test_coreference_accuracy_of_winogender(tmp_path: Path) -> None:
    # Task winogender_all with the 720 published sentences as its data set, demo model, float32, batch 16.
    pairs = pairs_of("winogender", shared("data", "winogender"), tmp_path)
    demo = load(str(demo_file()))
    tables = measure(demo, pairs, [LikelihoodProbe()], CONFIG, Watcher(quiet=True))
    found = of(coreference_findings(tables.pairs(), tables.outputs(), CONFIG), "coreference_accuracy")
    right = {group: round((finding.estimate or 0) * finding.n, 6) for group, finding in found.items()}
    assert right == {None: 369, "female": 124, "male": 122, "neutral": 123}
    assert {group: finding.n for group, finding in found.items()} == {
        **{None: 720, "female": 240, "male": 240, "neutral": 240}
    }
