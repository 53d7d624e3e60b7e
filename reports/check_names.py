"""What a check's result is called where names must tell results apart."""

from __future__ import annotations

from audit.results import CheckResult
from audit.results.visible import visible


def check_name(result: CheckResult) -> str:
    """Suite, check and contrast, such as ``quickstart: biased-heads (she/he)``."""
    contrast = f" ({'/'.join(result.contrast)})" if result.contrast else ""
    suite = f"{result.suite}: " if result.suite else ""
    return visible(f"{suite}{result.id}{contrast}")
