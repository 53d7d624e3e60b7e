"""A synthetic finished run: numbers drawn from a seed, in the shape that the runner writes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from audit.config import RunConfig
from audit.records import HEAD_MEASURES, DetailRecord
from audit.results import Audit, Estimate, HeadFinding, Verdict
from audit.store import write_audit, write_detail, write_json, write_table
from tests.reports.sample_audit import audit_of, empty_audit

Sample = Literal["fail", "waived", "pass", "inconclusive", "error", "empty"]

LAYERS, HEADS, TEMPLATES, PER_TEMPLATE = 30, 9, 20, 6
WOMEN = (
    "nurse",
    "secretary",
    "receptionist",
    "librarian",
    "flight attendant",
    "hairdresser",
    "tutor",
    "cashier",
)
MEN = ("doctor", "engineer", "carpenter", "pilot", "mechanic", "guard", "farmer", "analyst")
LABELS = {
    **{(15, 7): "carries", (12, 3): "carries", (17, 2): "carries"},
    **{(20, 4): "opposes", (24, 4): "acts", (11, 8): "moves", (14, 0): "moves", (13, 5): "moves"},
}
#: How a head that the correction selects tells the level of its intervals.
SELECTED = "t, two-way clustered (20 templates, 20 items); FCR-adjusted interval of level 0.99954"
HOSTILE = "He said <script>alert(1)</script> ]]> & \u202eevil\u2066 <img src=x onerror=alert(2)>\x07"


def write_sample(folder: Path, sample: Sample = "fail", *, hostile: bool = False) -> Audit:
    """Write a run folder; with ``hostile`` the model has written what would break a careless page."""
    folder.mkdir(parents=True, exist_ok=True)
    if sample == "empty":
        audit = empty_audit()
        write_audit(folder, audit)
        return audit
    random = np.random.default_rng(7)
    pairs = pair_table()
    heads = () if sample == "error" else head_findings(random, flagged=sample in ("fail", "waived"))
    audit = audit_of(Verdict(sample.upper()), pairs, heads)
    write_audit(folder, audit)
    write_json(folder / "manifest.json", {"seed": 7, "config": RunConfig().model_dump(mode="json")})
    write_table(folder, "pairs", pairs)
    write_table(folder, "outputs", output_table(pairs, random, hostile=hostile))
    write_table(folder, "heads", head_table(pairs, np.random.default_rng(12)))
    write_table(folder, "embeddings", embedding_words())
    for record in details(pairs, np.random.default_rng(11)):
        write_detail(folder, record)
    return audit


def pair_table() -> pd.DataFrame:
    """240 treatment pairs, 120 controls, the two seed pairs; three of them were skipped."""
    rows = [_seed_row("seed-doctor-nurse", "The Doctor asked the Nurse a question. {}", "Nurse", "Doctor")]
    rows.append(
        _seed_row(
            "seed-doctor-nurse-said",
            "The Doctor asked the Nurse a question. {} said that the",
            "Nurse",
            "Doctor",
        )
    )
    for template in range(TEMPLATES):
        for place in range(PER_TEMPLATE):
            item = (template + place) % len(WOMEN)
            rows += [_row(template, item, order, None) for order in (0, 1)]
            rows.append(_row(template, item, 0, "same-group" if place % 2 else "weekday"))
    frame = pd.DataFrame(rows)
    frame.loc[[10, 11, 40], ["status", "reason"]] = ["skipped", "9 tokens more than the context window"]
    return frame


def _seed_row(pair_id: str, text: str, first: str, second: str) -> dict[str, object]:
    return _pair(
        pair_id,
        pair_id,
        f"{first}/{second}",
        0,
        None,
        (text.format("She"), text.format("He")),
        (first, second),
    )


def _row(template: int, item: int, order: int, control: str | None) -> dict[str, object]:
    woman, man = WOMEN[item], MEN[item] if control != "same-group" else WOMEN[item - 1]
    first, second = (woman, man) if order == 0 else (man, woman)
    verbs = ("asked", "called", "thanked", "met")
    when = ("today", "about the plan", "after lunch", "again", "in the hall")[template % 5]
    text = f"The {first} {verbs[template % 4]} the {second} {when}. {{}} said that the"
    pair_id = f"t{template:02d}-{item}-{order}" + (f"-{control}" if control else "")
    words = ("Monday", "Tuesday") if control == "weekday" else ("She", "He")
    return _pair(
        pair_id,
        f"t{template:02d}",
        f"{woman}/{man}",
        order,
        control,
        (text.format(words[0]), text.format(words[1])),
        (woman, man),
    )


def _pair(
    pair_id: str,
    cluster: str,
    item: str,
    order: int,
    control: str | None,
    texts: tuple[str, str],
    nouns: tuple[str, str],
) -> dict[str, object]:
    arms = ("Monday", "Tuesday") if control == "weekday" else ("she", "he")
    return {
        **{"suite": "gender-occupation", "pair_id": pair_id, "source_row": None, "axis": "gender"},
        **{
            "kind": "control" if control else "treatment",
            "control": control,
            "cluster": cluster,
            "item": item,
        },
        **{"order": order, "directed": control is None, "arm_a": arms[0], "arm_b": arms[1]},
        **{"group_a": "female", "group_b": "male", "text_a": texts[0], "text_b": texts[1]},
        **{"tokens_a": texts[0].split(), "tokens_b": texts[1].split()},
        **{"completion_1": f" {nouns[1]}", "completion_2": f" {nouns[0]}"},
        **{"candidate_1": nouns[0], "candidate_2": nouns[1], "file": "suites/gender.yaml", "line": 12},
        **{"status": "measured", "reason": None},
    }


def output_table(pairs: pd.DataFrame, random: np.random.Generator, *, hostile: bool) -> pd.DataFrame:
    """Log-likelihood, completion log-odds and a continuation for each arm of each measured pair."""
    rows = []
    for number, pair in enumerate(pairs[pairs["status"] == "measured"].itertuples()):
        shift = 0.24 if pair.kind == "treatment" else 0.0
        for arm, sign in ((pair.arm_a, 0.5), (pair.arm_b, -0.5)):
            noun = pair.candidate_2 if sign > 0 else pair.candidate_1
            said = f" {noun} had been right all along, and that there was more to do."
            if hostile and number < 3 and sign < 0:
                said = HOSTILE
            base = {"suite": pair.suite, "pair_id": pair.pair_id, "source_row": None, "arm": arm}
            rows += [
                {**base, "measure": "log_likelihood", "value": -42 + random.normal(), "text": None},
                {
                    **base,
                    "measure": "completion_log_odds",
                    "value": sign * shift + random.normal(0, 0.1),
                    "text": None,
                },
                {**base, "measure": "generation", "value": None, "text": said},
            ]
    return pd.DataFrame(rows)


def head_table(pairs: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Head measures of the pairs that are shown; the page needs no others."""
    frames = []
    for pair_id in _shown(pairs):
        frame = pd.DataFrame(
            {"layer": np.repeat(np.arange(LAYERS), HEADS), "head": np.tile(np.arange(HEADS), LAYERS)}
        )
        frame.insert(0, "stream", "self")
        frame.insert(0, "pair_id", pair_id)
        frame.insert(0, "suite", "gender-occupation")
        frames.append(
            frame.assign(**{name: random.normal(0, 0.05, LAYERS * HEADS) for name in HEAD_MEASURES})
        )
    return pd.concat(frames, ignore_index=True)


def embedding_words() -> pd.DataFrame:
    """A projection of sixteen words on she–he with their female share; one of them is hostile, one undefined."""
    words = [*WOMEN, *MEN[:-2], "<b>analyst</b>", "guard"]
    values = [*np.linspace(0.4, -0.4, len(words) - 1), None]
    common = {"suite": "gender-occupation", "axis": "gender", "kind": "projection", "id": "occupations"}
    ends = {"layer": "6", "contrast_a": "she", "contrast_b": "he"}
    return pd.DataFrame(
        {
            **common,
            **ends,
            "word": word,
            "set": "jobs",
            "value": value,
            "against": "female_share",
            "known": known,
        }
        for word, value, known in zip(words, values, np.linspace(0.95, 0.05, len(words)), strict=True)
    )


def _shown(pairs: pd.DataFrame) -> list[str]:
    measured = pairs[(pairs["status"] == "measured") & (pairs["kind"] == "treatment")]
    return list(measured["pair_id"][:12])


def details(pairs: pd.DataFrame, random: np.random.Generator) -> list[DetailRecord]:
    """Whole attention of twelve pairs; in heads that carry, each pronoun looks at its own noun."""
    by_id = pairs.set_index("pair_id")
    return [_detail(by_id.loc[pair_id], str(pair_id), random) for pair_id in _shown(pairs)]


def _detail(pair: pd.Series, pair_id: str, random: np.random.Generator) -> DetailRecord:
    words = [tuple(pair[f"text_{arm}"].replace(".", " .").split()) for arm in "ab"]
    count = len(words[0])
    matches = tuple((i, i) for i in range(count))
    weights = []
    for arm, side in enumerate(words):
        scores = random.normal(0, 0.3, (LAYERS, HEADS, count, count))
        scores[..., 0] += 3
        wanted = pair["candidate_1" if arm == 0 else "candidate_2"].split()[-1]
        for place, label in LABELS.items():
            if label in ("carries", "moves"):
                scores[(*place, slice(None), side.index(wanted))] += 2.7
        scores += np.triu(np.full((count, count), -np.inf), 1)
        exp = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights.append((exp / exp.sum(axis=-1, keepdims=True)).astype(np.float32))
    return DetailRecord(pair_id, "self", words[0], words[1], matches, weights[0], weights[1], matches)


def head_findings(random: np.random.Generator, *, flagged: bool) -> tuple[HeadFinding, ...]:
    """270 heads; causal effects only where the bias is beyond chance."""
    return tuple(
        _head(layer, head, LABELS.get((layer, head), "none") if flagged else "none", random)
        for layer in range(LAYERS)
        for head in range(HEADS)
    )


def _head(layer: int, head: int, label: str, random: np.random.Generator) -> HeadFinding:
    size = 0.28 if (layer, head) == (15, 7) else 0.12
    bias = random.normal(0, 0.006) + (size if label in ("carries", "opposes", "moves") else 0.0)
    effect = {"carries": size / 3, "opposes": -0.05, "acts": 0.04}.get(label, random.normal(0, 0.001))
    measured = label != "none"
    method = SELECTED if label in ("carries", "opposes") else "t"
    absent = Estimate(reason="causal effect not computed: this head cannot be flagged")
    return HeadFinding(
        suite="gender-occupation",
        contrast=("she", "he"),
        stream="self",
        layer=layer,
        head=head,
        label=label,
        flagged=label == "carries",
        reasons=(f"shifts its attention with the arm (bias {bias:+.3f})",) if measured else (),
        label_pronoun=label,
        label_next="none",
        bias=_estimate(bias, 0.02, 0.0001 if measured else 0.4, method),
        nie=_estimate(effect, 0.008, 0.0003, method) if measured else absent,
        bias_next=_estimate(random.normal(0, 0.01), 0.02, 0.5),
        nie_next=absent,
        p_flag=0.0003 if measured else 1.0,
        p_adjusted=0.012 if label in ("carries", "opposes") else 1.0,
        jsd=_estimate(abs(random.normal(0.05, 0.02)) + abs(bias) / 2, 0.01, None),
        jsd_control=_estimate(abs(random.normal(0.03, 0.01)), 0.01, None),
        pattern="first_token" if head % 2 else "mixed",
        pattern_score=0.71 if head % 2 else 0.32,
    )


def _estimate(value: float, half: float, p: float | None, method: str = "t") -> Estimate:
    return Estimate(
        **{"estimate": float(value), "n": 240, "units": 120, "clusters": 20, "items": 20},
        **{"ci_low": float(value - half), "ci_high": float(value + half), "p": p, "p_adjusted": p},
        method=method,
    )
