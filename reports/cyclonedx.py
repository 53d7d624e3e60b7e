"""The model with its fairness results as a CycloneDX 1.6 bill of materials (ML-BOM)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from audit.durable import digest_of, write_whole
from audit.results import Audit, SuiteInfo
from audit.store import AUDIT, MANIFEST
from reports import model_line
from reports.check_names import check_name
from reports.plain_json import plain_json
from reports.slices import flagged_heads, slices

_FILE: Final = "ml-bom.cdx.json"


class CycloneDxReport:
    """Writes ``ml-bom.cdx.json``."""

    name = "cyclonedx"

    def render(self, folder: Path, audit: Audit) -> list[Path]:
        """Write the bill of materials into a run folder.

        Args:
            folder: a finished run folder.
            audit: its result.
        Returns:
            The one file written.
        """
        digests = {name: digest_of(folder / name) for name in (AUDIT, MANIFEST) if (folder / name).is_file()}
        write_whole(folder / _FILE, plain_json(bill(audit, digests)))
        return [folder / _FILE]


def bill(audit: Audit, digests: dict[str, str]) -> dict[str, Any]:
    """Build the document.

    Args:
        audit: the result.
        digests: SHA-256 of ``audit.json`` and ``manifest.json``, as far as they are there.
    Returns:
        What the schema of CycloneDX 1.6 asks for. The serial number hangs on the digests alone.
    """
    tool = {"type": "application", "name": "evenhand"}
    version = audit.environment.get("versions", {}).get("evenhand")
    moment = audit.environment.get("finished")
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, " ".join(map(str, sorted(digests.items())))).urn,
        "version": 1,
        "metadata": {
            **({"timestamp": moment} if moment else {}),
            "tools": {"components": [{**tool, **({"version": version} if version else {})}]},
            "component": _model(audit, digests),
        },
        "components": [_suite(suite) for suite in audit.suites],
    }


def _model(audit: Audit, digests: dict[str, str]) -> dict[str, Any]:
    """The model: every file's hash, so that it is found by any of them, and the files by name."""
    model = audit.model
    files = [
        {"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": _hashes([sha256])}
        for name, sha256 in model.hashes.items()
    ]
    return {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": model.name,
        **({"hashes": _hashes(model.hashes.values()), "components": files} if files else {}),
        "modelCard": {
            "modelParameters": {
                "task": ", ".join(dict.fromkeys(suite.task for suite in audit.suites)) or "not stated",
                "architectureFamily": model.family,
                "modelArchitecture": model.architecture,
                "datasets": [{"ref": _ref(suite)} for suite in audit.suites],
            },
            "quantitativeAnalysis": {"performanceMetrics": [*_metrics(audit)]},
            "considerations": {
                "technicalLimitations": [limit.text for limit in audit.limits],
                "fairnessAssessments": [_fairness(audit, suite) for suite in audit.suites],
            },
        },
        "properties": [
            {"name": f"evenhand:{name}", "value": value} for name, value in _properties(audit, digests)
        ],
    }


def _hashes(digests: Any) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256} for sha256 in dict.fromkeys(digests)]


def _ref(suite: SuiteInfo) -> str:
    return f"suite:{suite.name}"


def _suite(suite: SuiteInfo) -> dict[str, Any]:
    """A suite as a data set that the model was evaluated on."""
    told = f"Minimal pairs on the axis {suite.axis}: {suite.treatment} under test, {suite.control} controls"
    return {
        "type": "data",
        "bom-ref": _ref(suite),
        "name": suite.name,
        "version": str(suite.version),
        "description": told,
        "hashes": _hashes([suite.sha256]),
        **({"licenses": [{"license": {"name": suite.license}}]} if suite.license else {}),
        "data": [{"type": "dataset", "name": suite.name}],
    }


def _metrics(audit: Audit) -> Iterator[dict[str, Any]]:
    for heads in flagged_heads(audit):
        told = f"{heads.suite}, {' against '.join(heads.contrast)}, of {heads.measured} heads measured"
        value = str(heads.flagged) if heads.measured else f"undefined: {heads.told}"
        yield {"type": "flagged_heads", "value": value, "slice": told}
    for row in slices(audit.findings):
        found, measure = row
        unit = f" ({measure.unit})" if measure.unit else ""
        undefined = f"undefined: {found.reason or 'not measured'}"
        metric: dict[str, Any] = {
            "type": f"{found.measure}{unit}",
            "value": undefined if found.estimate is None else f"{found.estimate:.6g}",
            "slice": row.name,
        }
        if found.ci_low is not None and found.ci_high is not None:
            metric["confidenceInterval"] = {
                "lowerBound": f"{found.ci_low:.6g}",
                "upperBound": f"{found.ci_high:.6g}",
            }
        yield metric


def _fairness(audit: Audit, suite: SuiteInfo) -> dict[str, str]:
    """Who could be harmed, as the suite says, and what the checks of this suite came to."""
    hazard = suite.hazard
    checks = [check for check in audit.gate.checks if check.suite == suite.name]
    found = "; ".join(f"{check.verdict}: {check.why}" for check in checks) or "no check looked at this suite"
    waivers = "; ".join(
        f"waiver {waiver.id} until {waiver.expires}: {waiver.reason}"
        for waiver in audit.waivers
        if waiver.used and any(check.waiver == waiver.id for check in checks)
    )
    strategy = "; ".join(part for part in (hazard.get("mitigation", ""), waivers) if part)
    return {
        "groupAtRisk": hazard.get("group_at_risk", f"groups of the axis {suite.axis}; the suite names none"),
        "harms": f"{hazard.get('harm', 'not stated by the suite')}. Found: {found}",
        **({"mitigationStrategy": strategy} if strategy else {}),
    }


def _properties(audit: Audit, digests: dict[str, str]) -> Iterator[tuple[str, str]]:
    covered = audit.coverage
    yield "verdict", audit.verdict
    yield "why", audit.gate.why
    yield from ((f"{name}:sha256", sha256) for name, sha256 in digests.items())
    yield "precision", model_line.precision(audit.model)
    yield "attention-route", audit.model.attention_route
    yield "pairs:planned", str(covered.planned)
    yield "pairs:measured", str(covered.measured)
    yield "pairs:skipped", str(covered.skipped)
    yield "pairs:failed", str(covered.failed)
    for check in audit.gate.checks:
        late = "; set after the fact" if check.set_after_the_fact else ""
        yield (
            f"check:{check_name(check)}",
            f"{check.verdict}; at most {check.at_most:g}, set by {check.set_by} on {check.set_on}{late}",
        )
