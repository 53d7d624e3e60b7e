"""A synthetic finished run of any size, made in seconds: what a report must hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from audit.config import RunConfig
from audit.results import Audit, Verdict
from audit.store import write_audit, write_detail, write_json, write_table
from tests.reports.sample_audit import audit_of
from tests.reports.sample_run import HEADS, LAYERS, MEN, WOMEN, details, head_findings

#: Pairs that a run writes into one row group.
_PORTION = 200
_MEASURES = ("jsd", "bias", "bias_next", "nie", "nie_next")
#: Words that the imagined model knows; enough that no two continuations are alike.
_WORDS = 2_000
_TEMPLATES = 40


def write_large(folder: Path, pairs: int = 10_000, *, words: int = 18) -> Audit:
    """Write a run folder of so many pairs × 270 heads.

    Args:
        folder: where; made if it is missing.
        pairs: how many.
        words: in each continuation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(3)
    table = _pairs(pairs)
    audit = audit_of(Verdict.FAIL, table, head_findings(random, flagged=True))
    write_audit(folder, audit)
    write_json(folder / "manifest.json", {"seed": 3, "config": RunConfig().model_dump(mode="json")})
    write_table(folder, "pairs", table)
    write_table(folder, "outputs", _outputs(table, random, words))
    _write_heads(folder / "heads.parquet", table, random)
    for record in details(table, np.random.default_rng(11)):
        write_detail(folder, record)
    return audit


def _pairs(count: int) -> pd.DataFrame:
    """Four of five pairs are under test; of every thousand one fails and two are skipped."""
    number = np.arange(count)
    template, item, control = number % _TEMPLATES, number // _TEMPLATES, number % 5 == 4
    women = [f"{WOMEN[i % len(WOMEN)]} {i // len(WOMEN)}".removesuffix(" 0") for i in item]
    men = [f"{MEN[i % len(MEN)]} {i // len(MEN)}".removesuffix(" 0") for i in item]
    texts = [
        f"The {woman} from place {t} asked the {man} about it today. {{}} said that the"
        for t, woman, man in zip(template, women, men, strict=True)
    ]
    status = np.where(number % 1000 == 17, "failed", np.where(number % 500 == 33, "skipped", "measured"))
    return pd.DataFrame(
        {
            "suite": "gender-occupation",
            "pair_id": [f"t{t:02d}.{i}.{n}" for t, i, n in zip(template, item, number, strict=True)],
            "source_row": None,
            "axis": "gender",
            "kind": np.where(control, "control", "treatment"),
            "control": np.where(control, "same-group", None),
            "cluster": [f"t{t:02d}" for t in template],
            "item": [f"{woman}/{man}" for woman, man in zip(women, men, strict=True)],
            "order": number % 2,
            "directed": ~control,
            "arm_a": "she",
            "arm_b": "he",
            "group_a": "female",
            "group_b": "male",
            "text_a": [text.format("She") for text in texts],
            "text_b": [text.format("He") for text in texts],
            "tokens_a": [text.split() for text in texts],
            "tokens_b": [text.split() for text in texts],
            "completion_1": [f" {man}" for man in men],
            "completion_2": [f" {woman}" for woman in women],
            "candidate_1": women,
            "candidate_2": men,
            "file": "suites/gender.yaml",
            "line": 12 + template,
            "status": status,
            "reason": np.where(status == "measured", None, "9 tokens more than the context window"),
        }
    )


def _outputs(pairs: pd.DataFrame, random: np.random.Generator, words: int) -> pd.DataFrame:
    """Likelihood, log-odds and a continuation of every measured text; half of each pair's words are the same."""
    own = pairs[pairs["status"] == "measured"]
    known = np.array(["".join(random.choice(list("aeiourstlnmdkp"), 3 + n % 6)) for n in range(_WORDS)])
    first = known[random.integers(0, _WORDS, (len(own), words))]
    second = np.where(random.random(first.shape) < 0.5, first, known[random.integers(0, _WORDS, first.shape)])
    frames = []
    for arm, said, sign in (("she", first, 0.1), ("he", second, -0.1)):
        texts = [f" {' '.join(row)}." for row in said]
        measures = {
            "log_likelihood": (random.normal(-42, 1, len(own)), None),
            "completion_log_odds": (random.normal(sign, 0.3, len(own)), None),
            "generation": (np.nan, texts),
        }
        frames += [
            pd.DataFrame(
                {
                    "suite": own["suite"].to_numpy(),
                    "pair_id": own["pair_id"].to_numpy(),
                    "source_row": None,
                    "arm": arm,
                    "measure": measure,
                    "value": value,
                    "text": text,
                }
            )
            for measure, (value, text) in measures.items()
        ]
    return pd.concat(frames, ignore_index=True)


def _write_heads(file: Path, pairs: pd.DataFrame, random: np.random.Generator) -> None:
    """A row a measured pair and head, in row groups of whole pairs."""
    names = pairs["pair_id"][pairs["status"] == "measured"].to_numpy()
    places = LAYERS * HEADS
    writer = None
    for first in range(0, len(names), _PORTION):
        own = names[first : first + _PORTION]
        rows = len(own) * places
        columns = {
            "suite": _repeated(np.array(["gender-occupation"]), rows),
            "pair_id": _repeated(own, places),
            "stream": _repeated(np.array(["self"]), rows),
            "layer": pa.array(np.tile(np.repeat(np.arange(LAYERS), HEADS), len(own))),
            "head": pa.array(np.tile(np.arange(HEADS), len(own) * LAYERS)),
            **{name: pa.array(random.normal(0, 0.05, rows)) for name in _MEASURES},
        }
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _repeated(names: npt.NDArray[np.object_], times: int) -> pa.DictionaryArray:
    codes = np.repeat(np.arange(len(names), dtype=np.int32), times)
    return pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string()))
