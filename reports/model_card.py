"""A model card for the Hugging Face Hub: metadata that its tools read, and the results for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audit.durable import write_whole
from audit.results import Audit
from audit.results.visible import in_line, visible
from reports.card_text import card_text
from reports.numbers import defined
from reports.slices import Slice, flagged_heads, slices

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, EvalResultEntry

#: Task of a suite → the Hub's name of what the model does.
HUB_TASKS: Final = {
    "masked": "fill-mask",
    "classification": "text-classification",
    "question-answering": "question-answering",
    "translation": "translation",
    "embedding": "feature-extraction",
}
_USUAL_TASK: Final = "text-generation"
_ENTRIES: Final = ".eval_results"


class ModelCardReport:
    """Writes ``model-card.md`` and one file of ``.eval_results`` for each suite."""

    name = "model-card"

    def render(self, folder: Path, audit: Audit) -> list[Path]:
        """Write the card and the entries into a run folder.

        Args:
            folder: a finished run folder.
            audit: its result.
        Returns:
            The files written: the card, then the entries.
        """
        from huggingface_hub import ModelCardData

        data = ModelCardData(
            model_name=in_line(audit.model.name),
            tags=["bias-evaluation", "evenhand"],
            eval_results=eval_results(audit) or None,
        )
        card = folder / "model-card.md"
        write_whole(card, f"---\n{data.to_yaml()}\n---\n\n{card_text(folder, audit)}".encode())
        return [card, *_write_entries(folder, audit)]


def eval_results(audit: Audit) -> list[EvalResult]:
    """Every defined estimate for the card's ``model-index``; what is undefined is in the card's text."""
    from huggingface_hub import EvalResult

    tasks = {suite.name: HUB_TASKS.get(suite.task, _USUAL_TASK) for suite in audit.suites}
    hashed = {suite.name: {"version": suite.version, "sha256": suite.sha256} for suite in audit.suites}
    found = [
        EvalResult(
            task_type=tasks.get(heads.suite, _USUAL_TASK),
            dataset_type=_slug(heads.suite),
            dataset_name=in_line(heads.suite),
            dataset_args=hashed.get(heads.suite),
            metric_type="flagged_heads",
            metric_name=f"Heads that carry the bias, {in_line(' against '.join(heads.contrast))}",
            metric_value=heads.flagged,
            metric_args={"contrast": _plain(heads.contrast), "heads": heads.measured},
        )
        for heads in flagged_heads(audit)
        if heads.measured
    ]
    for row in _defined(audit):
        suite = row.finding.suite
        found.append(
            EvalResult(
                task_type=tasks.get(suite, _USUAL_TASK),
                dataset_type=_slug(suite),
                dataset_name=in_line(suite),
                dataset_config=in_line(row.finding.axis),
                dataset_args=hashed.get(suite),
                metric_type=visible(row.finding.measure),
                metric_name=f"{row.measure.name}, {row.over}",
                metric_value=row.finding.estimate,
                metric_args=_arguments(row),
            )
        )
    return found


def _arguments(row: Slice) -> dict[str, Any]:
    """Which slice it is, and how sure the estimate is; what is unknown is left out."""
    found = row.finding
    named = {
        "contrast": _plain(found.contrast) if found.contrast else None,
        "group": found.group,
        "control": found.control,
        "subject": found.subject,
        "layer": found.layer,
        "unit": row.measure.unit or None,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "n": found.n,
        "p": found.p,
    }
    return {
        name: visible(value) if isinstance(value, str) else value
        for name, value in named.items()
        if value is not None
    }


def _write_entries(folder: Path, audit: Audit) -> Iterator[Path]:
    """One file for each suite; its names are those of the suite, for no data set of the Hub was measured."""
    import yaml
    from huggingface_hub import eval_result_entries_to_yaml

    by_suite: dict[str, list[EvalResultEntry]] = {}
    for row in _defined(audit):
        if row.finding.control is None:
            by_suite.setdefault(row.finding.suite, []).append(_entry(row, audit))
    for number, (suite, entries) in enumerate(by_suite.items(), start=1):
        file = folder / _ENTRIES / f"{_slug(suite)}{'' if len(by_suite) == 1 else f'-{number}'}.yaml"
        file.parent.mkdir(exist_ok=True)
        text = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)
        write_whole(file, text.encode())
        yield file


def _entry(row: Slice, audit: Audit) -> EvalResultEntry:
    from huggingface_hub import EvalResultEntry

    found = row.finding
    parts = (found.measure, *(found.contrast or ()), found.group, found.subject, found.layer)
    interval = (
        f"95 % interval {found.ci_low:.6g} to {found.ci_high:.6g}; "
        if defined(found.ci_low) and defined(found.ci_high)
        else ""
    )
    suite = next((each for each in audit.suites if each.name == found.suite), None)
    hashed = f"; suite version {suite.version}, SHA-256 {suite.sha256}" if suite else ""
    return EvalResultEntry(
        dataset_id=_slug(found.suite),
        task_id=_slug("-".join(part for part in parts if part)),
        value=found.estimate,
        date=audit.environment.get("finished"),
        notes=f"{row.measure.name}, {row.over}: {interval}{row.sample}; measured with evenhand{hashed}",
    )


def _defined(audit: Audit) -> list[Slice]:
    return [row for row in slices(audit.findings) if defined(row.finding.estimate)]


def _plain(names: tuple[str, str]) -> str:
    return in_line("/".join(names))


def _slug(text: str) -> str:
    """Letters, digits, dots, dashes and underscores, as names of data sets and files are written.

    >>> _slug("gender & occupation")
    'gender-occupation'
    """
    return re.sub(r"[^A-Za-z0-9._]+", "-", text)[:96].strip("-.") or "suite"
