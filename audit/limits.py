"""What an audit cannot tell, said in every result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.agreement import Agreement, departures
from audit.config import RunConfig
from audit.results import Coverage, Finding, Limit, Shard
from audit.results.comparison import Comparison

#: The limit that tells that this is not a whole run.
SHARD = "shard"
#: The limit that tells how a later decision departs from the run.
DECIDED_AGAIN = "decided-again"
#: The limit that tells what a baseline was not the same in, or that no check asked for it.
BASELINE = "baseline"

_ALWAYS = (
    Limit(
        id="evidence-not-compliance",
        text="This is evidence about one model on one set of prompts. It certifies nothing and is no audit of real "
        "decisions about people.",
    ),
    Limit(
        id="minimal-pairs",
        text="Only what the suite swaps is tested. Absence of a finding says nothing about other words, attributes, "
        "languages, or longer contexts.",
    ),
    Limit(
        id="attention",
        text="Attention alone explains no output. Heads are flagged only where exchanging their attention row also "
        "changes what the model says; what runs through MLP layers is not seen.",
    ),
    Limit(
        id="single-heads",
        text="Heads are intervened on one at a time: effects that need several heads at once, or that other heads "
        "make up for, are missed.",
    ),
)

_EMBEDDINGS = Limit(
    id="embeddings",
    text="Associations in embeddings tell how words are stored. They need not show in what the model does, nor need "
    "what it does show in them (Goldfarb-Tarrant et al. 2021), so no verdict rests on them; they hang on the words "
    "that were chosen.",
)


def limits_of(
    config: RunConfig,
    coverage: Coverage,
    findings: Sequence[Finding] = (),
    agreed: Agreement | None = None,
    comparison: Comparison | None = None,
) -> tuple[Limit, ...]:
    """The limits of the method, and of this run.

    Args:
        config: what was decided with.
        coverage: what was measured.
        findings: what was found.
        agreed: what the run was made with, when it is decided again.
        comparison: with a baseline, where one was given.
    """
    here: list[Limit] = []
    if agreed is not None and (told := departures(agreed.config, config)):
        verdict = f" The run itself came to {agreed.verdict}." if agreed.verdict else ""
        text = f"Decided again, not as the run was made: {'; '.join(told)}.{verdict}"
        here.append(Limit(id=DECIDED_AGAIN, text=text))
    if comparison is not None:
        here += _baseline(comparison, config)
    if coverage.shard is not None:
        here.append(_shard(coverage.shard, coverage, config))
    elif "causal" in config.probes and config.causal.heads == "possible":
        here.append(
            Limit(
                id="quick-causal",
                text="Causal effects were computed only for heads whose signed bias is large enough and certain; "
                "no other head can be flagged, but heads that act without looking are not found.",
            )
        )
    if "causal" not in config.probes:
        here.append(
            Limit(id="no-causal", text="No causal effects were measured, so no head could be flagged.")
        )
    if any(survey.asked and survey.measured for survey in coverage.surveys):
        here.append(_EMBEDDINGS)
    if coverage.planned > coverage.measured:
        left_out = coverage.planned - coverage.measured
        here.append(
            Limit(id="coverage", text=f"{left_out} of {coverage.planned} planned pairs were not measured.")
        )
    return (*_ALWAYS, *here, *_single_levels(findings))


def _baseline(comparison: Comparison, config: RunConfig) -> Iterator[Limit]:
    if all(check.worse_by_at_most is None for check in config.checks):
        text = "A baseline was given, but no check limits a change (worse_by_at_most), so it decided nothing."
        yield Limit(id=BASELINE, text=text)
    for warning in comparison.warnings:
        yield Limit(id=BASELINE, text=f"Baseline: {warning}")


def _shard(shard: Shard, coverage: Coverage, config: RunConfig) -> Limit:
    own = coverage.measured + coverage.failed
    told = [f"This is {shard}, with {own} of {coverage.planned} pairs; nothing here holds for the whole run."]
    if "causal" in config.probes and config.causal.heads == "possible":
        told.append(
            "Which heads can be flagged is known only when all pairs are measured, so it has the effects of all heads."
        )
    if "ablation" in config.probes:
        told.append("Held-out halves need all pairs; none were tried.")
    return Limit(id=SHARD, text=" ".join([*told, "`evenhand merge` joins the shards and decides."]))


def _single_levels(findings: Sequence[Finding]) -> Iterator[Limit]:
    """Intervals over one factor only: nothing is known of other templates, or of other items."""
    told: dict[str, None] = {}
    for found in findings:
        if found.contrast is None or found.control or found.ci_low is None:
            continue
        for count, noun in ((found.clusters, "template"), (found.items, "item")):
            if count == 1:
                where = f"{found.suite}, {'/'.join(found.contrast)}"
                told[f"{where}: one {noun} only. Its figures hold for this {noun}; others may differ."] = None
    yield from (Limit(id="one-level", text=text) for text in told)
