"""What was audited, with what, and how capture was proved exact."""

from __future__ import annotations

from .base import Result


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
