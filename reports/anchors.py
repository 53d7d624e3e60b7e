"""Stable ids of the things on the page that other formats link to."""

from __future__ import annotations

import re

from audit.results import HeadFinding


def head_anchor(finding: HeadFinding) -> str:
    """The stable id of a head under one contrast, such as ``head-gender-she-he-15-7``."""
    return f"{head_prefix(finding.suite, finding.contrast, finding.stream)}{finding.layer}-{finding.head}"


def head_prefix(suite: str, contrast: tuple[str, str], stream: str) -> str:
    """What the ids of all heads of one suite × contrast × stream begin with.

    >>> head_prefix("gender", ("she", "he"), "self"), head_prefix("a b", ("x", "y"), "cross")
    ('head-gender-she-he-', 'head-a-b-x-y-cross-')
    """
    return f"head-{slug('-'.join((suite, *contrast)))}-{stream_part(stream)}"


def stream_part(stream: str) -> str:
    """What tells the streams of a model apart in an id; the one that writes needs nothing."""
    return "" if stream in ("self", "decoder") else f"{stream}-"


def slug(text: str) -> str:
    """Letters, digits, dots, hyphens and underscores of a text; a hyphen for anything else."""
    return re.sub(r"[^\w.-]+", "-", text)
