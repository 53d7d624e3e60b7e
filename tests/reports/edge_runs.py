"""Small run folders at the edges: one head, one pair, everything failed, waived or skipped, hostile texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from audit.results import Audit, CheckResult, Coverage, Gate, HeadFinding, Reason, Verdict
from audit.store import write_audit, write_table
from tests.reports.sample_audit import audit_of
from tests.reports.sample_run import head_findings, output_table, pair_table

Edge = Literal["one head", "one pair", "all failed", "all waived", "all passed", "all skipped", "incomplete"]
EDGES: tuple[Edge, ...] = (
    "one head",
    "one pair",
    "all failed",
    "all waived",
    "all passed",
    "all skipped",
    "incomplete",
)
_FREE_TEXTS = {
    "why",
    "set_by",
    "set_reason",
    "reason",
    "owner",
    "approver",
    "text",
    "method",
    "expires",
    "id",
    "waiver",
}
_NAMES = {"gender-occupation", "she", "SmolLM2-135M-Instruct", "LlamaForCausalLM"}


def small_heads() -> tuple[HeadFinding, ...]:
    """Three flagged heads and a few others."""
    heads = head_findings(np.random.default_rng(7), flagged=True)
    return tuple(head for head in heads if head.label != "none")


def write_edge(folder: Path, edge: Edge) -> Audit:
    """Write a run folder without attention kept; pairs that are under test only."""
    pairs = pair_table()
    pairs = pairs[(pairs["kind"] == "treatment") & (pairs["status"] == "measured")].head(6)
    heads, verdict = small_heads(), Verdict.FAIL
    match edge:
        case "one head":
            heads = tuple(head for head in heads if head.flagged)[:1]
        case "one pair":
            pairs, heads = pairs.head(1), ()
        case "all waived":
            verdict = Verdict.WAIVED
        case "all passed" | "incomplete":
            verdict, heads = Verdict.PASS, ()
        case "all skipped":
            pairs = pairs.assign(status="skipped", reason="9 tokens too many")
            verdict, heads = Verdict.ERROR, ()
    audit = audit_of(verdict, pairs, heads)
    if edge == "all skipped":
        audit = _all_skipped(audit, pairs)
    if edge == "incomplete":
        gate = audit.gate.model_copy(
            update={"verdict": Verdict.INCONCLUSIVE, "why": "1 of 7 pairs was skipped."}
        )
        audit = audit.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "gate": gate})
    write_run_folder(folder, audit, pairs)
    return audit


def write_run_folder(folder: Path, audit: Audit, pairs: pd.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    outputs = output_table(pairs, np.random.default_rng(3), hostile=False)
    write_table(folder, "pairs", pairs)
    write_table(
        folder, "outputs", outputs if len(outputs) else pd.DataFrame({"suite": pd.Series(dtype="string")})
    )
    write_audit(folder, audit)


def _all_skipped(audit: Audit, pairs: pd.DataFrame) -> Audit:
    ids = tuple(pairs["pair_id"])
    coverage = Coverage(
        planned=len(ids),
        measured=0,
        skipped=len(ids),
        failed=0,
        skipped_reasons=(Reason(reason="9 tokens too many", count=len(ids), pair_ids=ids),),
    )
    why = f"{len(ids)} of {len(ids)} pairs could not be measured; an incomplete run never passes."
    gate = Gate(verdict=Verdict.ERROR, checks=(), why=why)
    return audit.model_copy(update={"coverage": coverage, "findings": (), "gate": gate})


def check_of(audit: Audit, number: int, **changes: Any) -> CheckResult:
    """A check of an audit, changed."""
    return audit.gate.checks[number].model_copy(update=changes)


def with_checks(audit: Audit, *checks: CheckResult) -> Audit:
    """The same audit with other checks."""
    return audit.model_copy(update={"gate": audit.gate.model_copy(update={"checks": checks})})


#: Texts that would break a careless format, by name.
HOSTILE: dict[str, str] = {
    "script": "<script>alert(1)</script>",
    "end of script": "</script><img src=x onerror=alert(2)>",
    "end of data": "a ]]> b <![CDATA[ c --> d",
    "table": "a | b || c \\| d\n| --- | --- |\n| x | y |",
    "code": "`a` ``b`` ```\ncode\n```",
    "markup": "**bold** [link](https://evil.example) ![img](x.png) # title\n\n# title\n- item\n$x$ ~~y~~ @someone",
    "links": "https://evil.example www.evil.example mailto:a@evil.example //evil.example",
    "direction": "\u202eevil\u2066 \u2069\u202c",
    "control": "a\x00b\x01\x08\x0b\x0c\x1b[31m\x7f\x85\ufffe\uffffz",
    "long": "w" * 10_000,
    "emoji": "👩🏽\u200d⚕️ 🏳️\u200d🌈",
    "surrogate": "a\ud800b\udfff",
    "formula": '=HYPERLINK("http://evil.example","x")',
    "formula in a line": "\t=1+1",
    "minus": "-2+3",
    "at": "@SUM(A1)",
    "command": "\n::error file=a::b\r\n::set-output name=x::y%0A::z",
    "placeholder": "{0} {{1}} [a](b) ](1)",
    "quotes": '"\'<&>"',
}


def poison(audit: Audit, text: str) -> Audit:
    """Put a text in the place of every free text of an audit, its suite's name and its arm's."""
    return Audit.model_validate(_poisoned(audit.model_dump(), text))


def poisoned_pairs(pairs: pd.DataFrame, text: str) -> pd.DataFrame:
    """The same for a table, as far as Parquet can hold the text."""
    told = text.encode("utf-8", "ignore").decode()
    replaced = pairs.replace({"gender-occupation": told, "she": told})
    return replaced.assign(text_a=told + " a", text_b=told + " b", file=told[:200], reason=told)


def _poisoned(value: Any, text: str, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _poisoned(each, text, name) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_poisoned(each, text, key) for each in value)
    free = key in _FREE_TEXTS or value in _NAMES
    return text if isinstance(value, str) and not isinstance(value, Verdict) and free else value
