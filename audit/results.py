"""The canonical result of an audit: the model of ``audit.json``."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = "1.0"

Label = Literal["carries", "opposes", "moves", "acts", "none", "unmeasured"]


class Verdict(StrEnum):
    """What a check, and the whole audit, comes to."""

    PASS = "PASS"
    WAIVED = "WAIVED"
    INCONCLUSIVE = "INCONCLUSIVE"
    FAIL = "FAIL"
    ERROR = "ERROR"

    @classmethod
    def worst(cls, verdicts: list[Verdict]) -> Verdict:
        """ERROR > FAIL > INCONCLUSIVE > WAIVED > PASS; nothing checked is INCONCLUSIVE."""
        order = list(cls)
        return max(verdicts, key=order.index, default=cls.INCONCLUSIVE)


class ExitCode(IntEnum):
    """Exit codes of the command (part of the public contract)."""

    PASS = 0
    FAIL = 1
    BAD_INPUT = 2
    INCONCLUSIVE = 3
    ERROR = 4

    @classmethod
    def of(cls, verdict: Verdict) -> ExitCode:
        """The exit code that tells a verdict."""
        return cls.PASS if verdict is Verdict.WAIVED else cls[verdict.value]


class Result(BaseModel):
    """Base of everything in ``audit.json``: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Result):
    """One number with its uncertainty; ``estimate`` is None with a ``reason`` where undefined.

    Args:
        estimate: in the measure's own unit.
        n: pairs behind it.
        units: order-balanced units behind it.
        clusters, items: levels of the two random factors.
        ci_low, ci_high: 95 % interval (FCR-adjusted for flagged heads: see ``method``).
        p: two-sided. p_adjusted: after the multiplicity correction, where the measure is one of many.
        mde: smallest effect that the design would find with 80 % power.
        seed: of the random generator, where chance was used.
        method: how interval and p were made.
        reason: why something is None.
    """

    estimate: float | None = None
    n: int = 0
    units: int = 0
    clusters: int = 0
    items: int = 0
    ci_low: float | None = None
    ci_high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    mde: float | None = None
    seed: int | None = None
    method: str = ""
    reason: str | None = None


class Finding(Estimate):
    """An estimate of one measure for one suite × contrast (× group).

    Args:
        axis: the protected attribute; ``all`` where the pairs have several.
        contrast: the two arms; None for a measure of single texts, over all texts of the suite.
        group: whose texts, or of which axis the pairs; None for all.
    """

    suite: str
    axis: str
    contrast: tuple[str, str] | None
    group: str | None = None
    measure: str
    control: str | None = None


class HeadFinding(Result):
    """Everything estimated about one head under one contrast.

    ``bias`` and ``nie`` belong to the pronoun's row, ``bias_next`` and ``nie_next`` to the row that
    predicts the next word. ``p_flag = max(p_bias, p_nie)`` of the same row, 1 where |bias| is below
    ``min_bias`` or the effect was not computed; ``p_adjusted`` is
    Benjamini–Hochberg over all heads × rows × contrasts that could flag. ``bound`` and
    ``bound_next`` are 95 % upper bounds of |bias|, simultaneous over all of these tests: what the
    design cannot exclude. Where the gold referent is known: ``coreference_accuracy`` of the pronoun's
    row beside that of the nearest and of the first mention, and ``accuracy_gap``, with less against the
    stereotype; None elsewhere.
    """

    suite: str
    contrast: tuple[str, str]
    stream: str
    layer: int
    head: int
    label: Label
    flagged: bool
    reasons: tuple[str, ...] = ()
    label_pronoun: Label = "unmeasured"
    label_next: Label = "unmeasured"
    bias: Estimate = Estimate()
    nie: Estimate = Estimate()
    bias_next: Estimate = Estimate()
    nie_next: Estimate = Estimate()
    p_flag: float | None = None
    p_flag_next: float | None = None
    p_adjusted: float | None = None
    p_adjusted_next: float | None = None
    bound: float | None = None
    bound_next: float | None = None
    jsd: Estimate = Estimate()
    jsd_control: Estimate = Estimate()
    total_variation: float | None = None
    value_weighted: float | None = None
    preference_a: float | None = None
    preference_b: float | None = None
    mass: float | None = None
    coreference_accuracy: Estimate | None = None
    accuracy_gap: Estimate | None = None
    nearest_accuracy: float | None = None
    first_accuracy: float | None = None


class CheckResult(Result):
    """One line of the gate.

    ``estimate`` with interval is what was compared with ``at_most``; ``why`` is one sentence for people.
    """

    id: str
    suite: str
    measure: str
    contrast: tuple[str, str] | None
    at_most: float
    verdict: Verdict
    estimate: Estimate
    why: str
    set_by: str
    set_on: str
    set_reason: str
    set_after_the_fact: bool = False
    waiver: str | None = None


class Gate(Result):
    """All checks of an audit and what they come to."""

    verdict: Verdict
    checks: tuple[CheckResult, ...]
    why: str


class Reason(Result):
    """A count of pairs and why they were left out."""

    reason: str
    count: int
    pair_ids: tuple[str, ...]


class Coverage(Result):
    """What was planned and what was measured; an incomplete run never passes."""

    planned: int
    measured: int
    skipped: int
    failed: int
    skipped_reasons: tuple[Reason, ...] = ()
    failed_reasons: tuple[Reason, ...] = ()
    unaligned_words: int = 0
    undefined: tuple[Reason, ...] = ()


class SelfTestStep(Result):
    """One proof that capture is exact: what was compared, the largest difference, the bound."""

    name: str
    passed: bool
    value: float | None = None
    bound: float | None = None
    note: str = ""


class ModelInfo(Result):
    """Which model was audited."""

    name: str
    family: str
    architecture: str
    layers: int
    heads: int
    parameters: int
    vocabulary: int
    context: int
    dtype: str
    device: str
    attention_route: str
    bos: bool
    hashes: dict[str, str]
    self_test: tuple[SelfTestStep, ...]


class SuiteInfo(Result):
    """Which suite was run."""

    name: str
    version: int
    axis: str
    task: str
    file: str
    sha256: str
    pairs: int
    treatment: int
    control: int
    clusters: int
    items: int
    license: str | None = None
    sources: tuple[str, ...] = ()
    hazard: dict[str, str] = {}


class WaiverInfo(Result):
    """An accepted failure: who, why, until when."""

    id: str
    scope: str
    owner: str
    approver: str
    reason: str
    created: str
    expires: str
    expired: bool
    used: bool


class Limit(Result):
    """One thing that the audit cannot tell."""

    id: str
    text: str


class Audit(Result):
    """``audit.json``, whole: the single canonical result."""

    schema_version: str = SCHEMA_VERSION
    verdict: Verdict
    model: ModelInfo
    suites: tuple[SuiteInfo, ...]
    config: dict[str, Any]
    environment: dict[str, Any]
    coverage: Coverage
    findings: tuple[Finding, ...]
    heads: tuple[HeadFinding, ...]
    gate: Gate
    waivers: tuple[WaiverInfo, ...] = ()
    limits: tuple[Limit, ...] = ()
