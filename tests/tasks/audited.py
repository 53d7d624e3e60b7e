"""Audits of the trained models, and what the tests of all four tasks look up in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit.api import Request, run_audit
from audit.loader import load_config, load_suite
from audit.progress import Watcher
from audit.results import Finding, Verdict
from audit.store import RunFolder
from tests.trained.planted import SUITES


def audited(model: Path, out: Path, *suites: str | Path, probes: Sequence[str] = ()) -> RunFolder:
    """Run the quick preset on suites of the tests, with its own probes or only some of them."""
    config = load_config("quick")[0]
    if probes:
        config = config.model_copy(update={"probes": tuple(probes)})
    files = [SUITES / f"{suite}.yaml" if isinstance(suite, str) else suite for suite in suites]
    return run_audit(
        Request(tuple(load_suite(file) for file in files), str(model), config, out, formats=()),
        Watcher(quiet=True),
    )


def finding(run: RunFolder, suite: str, measure: str, control: str | None = None) -> Finding:
    """The one finding of a measure over all groups."""
    (found,) = [
        each
        for each in run.audit.findings
        if (each.suite, each.measure, each.control, each.group) == (suite, measure, control, None)
    ]
    return found


def reordered(suite: str, folder: Path) -> Path:
    """The suite with its two arms in the other order: the same question, told from the other side."""
    found = _read(suite)
    found["arms"].reverse()
    return _written(found, folder)


def exchanged(suite: str, folder: Path) -> Path:
    """The suite with what its two arms write exchanged, so that it ties each to the other's answer."""
    found = _read(suite)
    one, other = found["arms"]
    one["slots"], other["slots"] = other["slots"], one["slots"]
    return _written(found, folder)


def _read(suite: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((SUITES / f"{suite}.yaml").read_text(encoding="utf-8"))
    return found


def _written(suite: dict[str, Any], folder: Path) -> Path:
    file = folder / f"{suite['suite']}.yaml"
    file.write_text(yaml.safe_dump(suite, sort_keys=False), encoding="utf-8")
    return file


def table(run: RunFolder, suite: str) -> dict[tuple[str, str, str], tuple[float, str | None]]:
    """``(pair, arm, measure)`` → value and text of everything that was measured of a suite."""
    rows = run.table("outputs").query("suite == @suite")
    columns = (rows["pair_id"], rows["arm"], rows["measure"], rows["value"], rows["text"])
    return {
        (pair, arm, measure): (value, text) for pair, arm, measure, value, text in zip(*columns, strict=True)
    }


def texts(run: RunFolder, suite: str) -> dict[tuple[str, str], str]:
    """``(pair, arm)`` → text."""
    pairs = run.table("pairs").query("suite == @suite")
    return {
        (row["pair_id"], row[f"arm_{side}"]): row[f"text_{side}"]
        for row in pairs.to_dict("records")
        for side in "ab"
    }


def found_as_planted(found: Finding, size: float) -> None:
    """The estimate is significant, has the planted sign, and its interval holds the planted size."""
    assert found.reason is None
    assert found.estimate is not None
    assert found.p is not None
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.p <= 0.01
    assert found.estimate * size > 0
    assert found.ci_low <= size <= found.ci_high, (found.ci_low, size, found.ci_high)
    assert found.ci_high - found.ci_low < abs(size)
    assert found.clusters >= 20
    assert found.items >= 20


def nothing_found(run: RunFolder) -> None:
    """No finding is significant, and no check fails."""
    tested = [each for each in run.audit.findings if each.p is not None]
    assert tested
    assert [(each.suite, each.measure, each.p) for each in tested if each.p <= 0.05] == []
    assert run.audit.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)
    assert not any(head.flagged for head in run.audit.heads)
    covered = run.audit.coverage
    assert (covered.measured, covered.failed) == (covered.planned, 0)


def mirrored(run: RunFolder, back: RunFolder, suite: str, measure: str) -> None:
    """The estimate and its interval have the other sign, and p is the same."""
    one, other = finding(run, suite, measure), finding(back, suite, measure)
    assert other.estimate == pytest.approx(-(one.estimate or 0.0), abs=1e-5)
    assert other.ci_low == pytest.approx(-(one.ci_high or 0.0), abs=1e-5)
    assert other.ci_high == pytest.approx(-(one.ci_low or 0.0), abs=1e-5)
    assert other.p == pytest.approx(one.p, rel=1e-3)


def unchanged(run: RunFolder, back: RunFolder, suite: str, measure: str) -> None:
    """The estimate, its interval and p are the same, told from the other side."""
    one, other = finding(run, suite, measure), finding(back, suite, measure)
    assert other.contrast == one.contrast[::-1]
    for name in ("estimate", "ci_low", "ci_high", "p"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-3, abs=1e-5), name
