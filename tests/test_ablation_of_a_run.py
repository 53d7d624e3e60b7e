"""Ablation of heads, layers and the model in a whole run: config, tables, findings, page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.api import run_audit
from audit.config import RunConfig
from audit.loader import load_config
from audit.progress import Watcher
from audit.store import RunFolder
from tests.conftest import Told, request_for
from tests.tiny_suite import write_suite

KINDS = ("zero", "mean", "uniform")
COLUMNS = [f"{kind}{row}" for row in ("", "_next") for kind in KINDS]
SCOPES = [f"{kind}_{scope}" for kind in KINDS for scope in ("layer:0", "layer:1", "layer:2", "model")]
CONFIG = """\
preset: mine
probes: [likelihood, attention, ablation]
causal: {heads: all}
ablation: {kinds: [zero, mean, uniform]}
"""


def config(folder: Path, text: str = CONFIG) -> RunConfig:
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return load_config(folder / "mine.yaml")[0]


def ablated(folder: Path, model: Path, batch_size: int, limit: int | None = None) -> RunFolder:
    own = config(folder).model_copy(update={"batch_size": batch_size})
    request = replace(request_for(folder, model, "ablated"), config=own, limit=limit)
    return run_audit(request, Watcher(quiet=True))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> RunFolder:
    return ablated(tmp_path_factory.mktemp("ablation"), tiny_folder, 8)


def of_kind(run: RunFolder, table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Rows of pairs with completions; that written by hand has none."""
    pairs = run.table("pairs").set_index("pair_id")
    chosen = pairs.index[(pairs["kind"] == kind) & pairs["completion_1"].notna()]
    return table[table["pair_id"].isin(chosen)]


def test_every_head_of_the_treatment_pairs_has_its_falls(run: RunFolder) -> None:
    heads = of_kind(run, run.table("heads"), "treatment")
    assert len(heads) == 32 * 12
    assert np.isfinite(heads[COLUMNS].to_numpy()).all()
    assert heads[COLUMNS].abs().max().min() > 1e-3
    assert heads[["nie", "nie_next"]].isna().all().all()
    assert of_kind(run, run.table("heads"), "control")[COLUMNS].isna().all().all()


def test_layers_and_the_model_are_told_at_the_first_arm_and_as_findings(run: RunFolder) -> None:
    outputs = run.table("outputs")
    assert set(SCOPES) <= set(outputs["measure"])
    findings = {finding.measure: finding for finding in run.audit.findings if finding.control is None}
    for name in SCOPES:
        rows = outputs[outputs["measure"] == name]
        assert set(rows["arm"]) == {"she"}
        assert len(rows) == findings[name].n == 32
        assert findings[name].estimate == pytest.approx(float(rows["value"].mean()), abs=1e-9)
        assert (findings[name].clusters, findings[name].items) == (4, 4)
        assert (findings[name].ci_low or 0) < (findings[name].ci_high or 0)
    assert not any("_layer:" in finding.measure for finding in run.audit.findings if finding.control)


def test_without_attention_the_arms_meet_only_in_the_word_itself(run: RunFolder) -> None:
    """Zero in the whole model leaves of TE what MLP blocks make of the last word: nothing, for it is the same."""
    outputs = run.table("outputs")
    odds = outputs[outputs["measure"] == "completion_log_odds"].pivot(
        index="pair_id", columns="arm", values="value"
    )
    zero = outputs[outputs["measure"] == "zero_model"].set_index("pair_id")["value"]
    effect = (odds["she"] - odds["he"])[zero.index]
    np.testing.assert_allclose(zero, effect, atol=1e-4)
    assert effect.abs().max() > 1e-2


def test_the_page_tells_the_model_and_no_single_layer(run: RunFolder) -> None:
    page = (run.path / "report.html").read_text(encoding="utf-8")
    for words in ("without attention", "with average attention", "with even attention"):
        assert f"Fall of the total effect {words}" in page
    assert "zero_layer" not in page.split('id="findings"')[0]


def test_the_batch_size_changes_nothing(run: RunFolder, tmp_path: Path, tiny_folder: Path) -> None:
    alone = ablated(tmp_path, tiny_folder, 1, limit=6)
    those = set(alone.table("pairs").query("status == 'measured'")["pair_id"])

    def both(table: str) -> list[pd.DataFrame]:
        found = (each.table(table) for each in (run, alone))
        return [frame[frame["pair_id"].isin(those)] for frame in found]

    keys = ["pair_id", "layer", "head"]
    one, two = (table.set_index(keys)[COLUMNS].sort_index() for table in both("heads"))
    assert len(two) == 6 * 12
    pd.testing.assert_frame_equal(one, two, rtol=0, atol=1e-4)
    one, two = (
        table[table["measure"].isin(SCOPES)].set_index(["pair_id", "measure"])[["value"]].sort_index()
        for table in both("outputs")
    )
    assert len(two) == 6 * len(SCOPES)
    pd.testing.assert_frame_equal(one, two, rtol=0, atol=1e-4)


def test_the_release_preset_asks_for_it_and_the_others_do_not() -> None:
    assert load_config("release")[0].ablation.kinds == ("zero",)
    assert load_config("quick")[0].ablation.kinds == load_config("ci")[0].ablation.kinds == ()


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        (
            "[zero, zero]",
            "[zero, mean, uniform]",
            "mine.yaml:4: ablation.kinds: a kind is named twice; expected each kind once",
        ),
        (
            "[nought]",
            "[zero, mean, uniform]",
            "mine.yaml:4: ablation.kinds[0]: unknown kinds 'nought'; expected zero, mean or uniform",
        ),
        (
            "attention]",
            "attention, ablation]",
            "mine.yaml:1: kinds of ablation need the ablation probe, which measures them",
        ),
        (
            "[likelihood, ablation]\n",
            "[likelihood, attention, ablation]\ncausal: {heads: all}\n",
            "mine.yaml:1: the ablation probe needs the attention probe, which finds the heads that it measures",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_told(
    wrong: str, right: str, message: str, told: Told, tmp_path: Path
) -> None:
    write_suite(tmp_path)
    (tmp_path / "mine.yaml").write_text(CONFIG.replace(right, wrong), encoding="utf-8")
    assert told("run", "jobs.yaml", "--model", "none", "--config", "mine.yaml") == message


def test_probes_chosen_on_the_command_line_leave_kinds_out_or_say_what_is_missing(
    told: Told, tmp_path: Path
) -> None:
    write_suite(tmp_path)
    (tmp_path / "mine.yaml").write_text(CONFIG.replace("all", "possible"), encoding="utf-8")
    run = ("run", "jobs.yaml", "--model", "none", "--config", "mine.yaml", "--probes")
    assert told(*run, "attention").startswith("none: ")  # accepted; then the model is missing
    assert told(*run, "ablation") == (
        "--probes: the ablation probe needs the attention probe, which finds the heads that it measures"
    )
    assert told(*run, "causal") == (
        "--probes: the causal probe needs the attention probe, which finds the heads that it measures"
    )
