"""What a reviewer of a change must see: checks that did not pass, flagged heads, the strongest pairs; worst first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from audit.importance import by_importance
from audit.results import Audit, CheckResult, Estimate, HeadFinding, Verdict
from audit.results.visible import in_line
from reports.check_words import WHOLE_RUN, accepted, beside_checks, figures, sentence, title, worst_first
from reports.folder import read_folder
from reports.head_groups import head_row
from reports.numbers import has_interval, level, number, p_value
from reports.places import Place, Places
from reports.strongest_pairs import StrongPair, strongest_pairs
from reports.wording import LABELS

Level = Literal["error", "warning", "note"]

FLAGGED_HEAD: Final = "flagged-head"
STRONG_PAIR: Final = "strong-pair"
#: Beginning of the rules of checks; the measure follows.
CHECK: Final = "check-"

LEVELS: Final[dict[Verdict, Level]] = {
    Verdict.ERROR: "error",
    Verdict.FAIL: "error",
    Verdict.INCONCLUSIVE: "warning",
    Verdict.WAIVED: "note",
}


class Issue(NamedTuple):
    """One thing to look at.

    Args:
        rule: what kind of thing it is, such as ``check-total_effect`` or ``flagged-head``.
        level: how serious it is.
        verdict: of a check, or of the run beside its checks; None for heads and pairs.
        title: a few words.
        message: one sentence or two; a check's begin with its verdict.
        place: where it shows in the repository.
        link: where ``report.html`` tells more.
        subject: what it is about, the same in each run: suite, contrast, check, head or pair.
        accepted: who accepts it and why, where a waiver does; else empty.
        figures: by name.
    """

    rule: str
    level: Level
    verdict: Verdict | None
    title: str
    message: str
    place: Place
    link: str
    subject: tuple[str, ...]
    accepted: str
    figures: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """The same for the same thing in another run, though its line or its figures differ; 32 hex digits."""
        parts = (self.rule, self.place.file, *self.subject)
        text = "\0".join(part.replace("\0", "\0\0") + "\0" for part in parts)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def issues_of(folder: Path, audit: Audit, root: Path) -> tuple[Issue, ...]:
    """Collect the issues of a finished run.

    Pairs are shown as the evidence of what did not pass: not where every check about them passed.

    Args:
        folder: the run folder.
        audit: its result.
        root: the folder of the repository.
    Returns:
        First a verdict that no check gives, then checks by verdict, flagged heads, pairs.
    Raises:
        StoreError: a table of the run cannot be read.
    """
    places = Places(audit, root)
    whole = beside_checks(audit)
    return (
        *([_whole_run(whole.verdict, whole.why, places)] if whole else ()),
        *(_check(check, audit, places) for check in worst_first(audit) if check.verdict is not Verdict.PASS),
        *(_head(head, audit, places) for head in by_importance(audit.heads) if head.flagged),
        *_pairs(strongest_pairs(read_folder(folder, audit)), audit, places),
    )


def _whole_run(verdict: Verdict, why: str, places: Places) -> Issue:
    return Issue(
        WHOLE_RUN,
        LEVELS.get(verdict, "error"),
        verdict,
        "The run as a whole",
        f"{verdict}: {why}",
        places.of_suite(""),
        "report.html#coverage",
        (),
        "",
        {"verdict": verdict.value},
    )


def _check(check: CheckResult, audit: Audit, places: Places) -> Issue:
    late = " The limit was set after the run." if check.set_after_the_fact else ""
    terms = accepted(check, audit)
    return Issue(
        f"{CHECK}{check.measure}",
        LEVELS[check.verdict],
        check.verdict,
        title(check),
        f"{check.verdict}: {sentence(check.why)}{late}{' ' if terms else ''}{terms}",
        places.of_check(check),
        "report.html#checks",
        (check.id, check.suite, *(check.contrast or ())),
        terms,
        figures(check),
    )


def _head(head: HeadFinding, audit: Audit, places: Places) -> Issue:
    row, name = head_row(head), f"{head.layer}-{head.head}"
    against = "/".join(map(in_line, head.contrast))
    stream = "" if head.stream in ("self", "decoder") else f" of the {in_line(head.stream)} attention"
    about = [
        c
        for c in audit.gate.checks
        if c.measure == "flagged_heads" and _is_about(c, head.suite, head.contrast)
    ]
    bias, effect = row.bias, row.nie
    return Issue(
        FLAGGED_HEAD,
        LEVELS.get(Verdict.worst([check.verdict for check in about]), "warning"),
        None,
        f"Head {name} carries the bias",
        f"Head {name}{stream} carries the bias under {against}: {LABELS[head.label]}. Signed bias "
        f"{number(bias.estimate, signed=True)}{_range(bias)}, causal effect {number(effect.estimate, signed=True)} "
        f"nats{_range(effect)}, adjusted p {p_value(row.p_adjusted)}, read from: {row.read_from}.",
        places.of_suite(head.suite),
        "report.html#heads",
        (head.suite, *head.contrast, head.stream, str(head.layer), str(head.head)),
        "",
        {"suite": in_line(head.suite), "contrast": against, "head": name, "label": head.label},
    )


def _range(estimate: Estimate) -> str:
    """The interval in brackets, with its level where that is not the usual one."""
    if not has_interval(estimate):
        return ""
    at = f" at {told}" if (told := level(estimate)) else ""
    return f" ({number(estimate.ci_low)} to {number(estimate.ci_high)}{at})"


def _pairs(pairs: Iterable[StrongPair], audit: Audit, places: Places) -> Iterator[Issue]:
    for pair in pairs:
        about = [check for check in audit.gate.checks if _is_about(check, pair.suite, pair.contrast)]
        if about and all(check.verdict is Verdict.PASS for check in about):
            continue
        name = in_line(pair.pair_id)
        yield Issue(
            STRONG_PAIR,
            "note",
            None,
            f"Strong pair {name}",
            f"Pair {name} ({'/'.join(map(in_line, pair.contrast))}): {pair.figures}: “{pair.prompt}”.",
            places.at(pair.file, pair.line) if pair.file else places.of_suite(pair.suite),
            pair.link,
            (pair.suite, pair.pair_id),
            "",
            {"suite": in_line(pair.suite), "pair": name},
        )


def _is_about(check: CheckResult, suite: str, contrast: tuple[str, str]) -> bool:
    return check.suite in ("", suite) and check.contrast in (None, contrast)
