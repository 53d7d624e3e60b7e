"""Two runs side by side: what is found worse, better, or not comparable."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from audit.common_pairs import common_pairs
from audit.comparing import compare_folders
from audit.errors import InputError
from audit.results.comparison import Comparison
from audit.store import write_audit
from tests.audit.simulated import CARRIER, OPPOSER, Tables
from tests.audit.written_run import CONFIG, MODEL, simulated, write_run_of

PLACE = (1, 2)


def edited(tables: Tables, **columns: object) -> Tables:
    return Tables(tables.pairs.assign(**columns), tables.heads)


def compared(folder: Path, *sides: tuple[Tables, pd.DataFrame]) -> Comparison:
    names = ("base", "head")
    for name, side in zip(names, sides, strict=True):
        write_run_of(folder / name, *side)
    return compare_folders(*(folder / name for name in names))


def changed(comparison: Comparison) -> dict[tuple[int, int, str], str]:
    return {
        (one.layer, one.head, one.measure): one.change
        for one in comparison.heads
        if one.change != "unchanged"
    }


@pytest.fixture(scope="module")
def worse(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("runs")
    return compared(folder, simulated(seed=1), simulated({PLACE: CARRIER}, 0.8, seed=2))


def test_a_planted_bias_is_found_worse_and_nothing_else_is(worse: Comparison) -> None:
    assert changed(worse) == {(*PLACE, "bias"): "worse", (*PLACE, "nie"): "worse"}
    first = next(one for one in worse.heads if one.measure == "bias")
    assert (first.label_before, first.label_after) == ("none", "carries")
    assert first.after == pytest.approx(0.2, abs=0.05)
    assert first.size.ci_low > 0.1
    assert "FCR-adjusted" in first.size.method
    effect = next(one for one in worse.outputs if one.measure == "total_effect")
    assert effect.change == "worse"
    assert effect.difference.estimate == pytest.approx(effect.after.estimate - effect.before.estimate)
    assert worse.common == 240
    assert (worse.warnings, worse.left_out) == ((), ())


def test_the_worst_come_first(worse: Comparison) -> None:
    for part in (worse.outputs, worse.heads):
        order = [("worse", "shifted", "better", "unchanged", "unmeasured").index(one.change) for one in part]
        assert order == sorted(order)


def test_the_other_way_round_it_is_better(tmp_path: Path, worse: Comparison) -> None:
    back = compared(tmp_path, simulated({PLACE: CARRIER}, 0.8, seed=2), simulated(seed=1))
    assert changed(back) == {(*PLACE, "bias"): "better", (*PLACE, "nie"): "better"}
    there = {(one.layer, one.head, one.measure): one.size for one in worse.heads}
    for one in back.heads:
        size = there[one.layer, one.head, one.measure]
        assert one.size.estimate == pytest.approx(-size.estimate)
        assert one.size.ci_low == pytest.approx(-size.ci_high)


def test_a_head_that_turns_around_is_shifted(tmp_path: Path) -> None:
    found = compared(tmp_path, simulated({PLACE: CARRIER}, seed=1), simulated({PLACE: OPPOSER}, seed=2))
    assert changed(found) == {(*PLACE, "nie"): "shifted"}


def test_a_run_beside_itself_changes_nothing(tmp_path: Path) -> None:
    side = simulated({PLACE: CARRIER}, 0.8)
    found = compared(tmp_path, side, side)
    assert Counter(one.change for one in found.heads) == {"unchanged": len(found.heads)}
    assert {one.size.ci_high for one in found.heads} == {0.0}
    assert {one.change for one in found.outputs} == {"unchanged", "unmeasured"}


def test_a_change_below_the_smallest_bias_is_none(tmp_path: Path) -> None:
    tables, outputs = simulated({PLACE: CARRIER}, 0.8)
    nudged = Tables(tables.pairs, tables.heads.assign(bias=tables.heads["bias"] * 1.05))
    noisy = nudged.heads["bias"] + (nudged.heads["head"] % 2) * 1e-4
    found = compared(
        tmp_path, (tables, outputs), (Tables(tables.pairs, nudged.heads.assign(bias=noisy)), outputs)
    )
    assert changed(found) == {}


def test_pairs_with_other_texts_are_left_out_and_named(tmp_path: Path) -> None:
    tables, outputs = simulated(seed=1)
    texts = tables.pairs["text_a"].where(tables.pairs["cluster"] != "template-3", "Another text. she")
    (folder := tmp_path / "runs").mkdir()
    write_run_of(folder / "base", tables, outputs)
    write_run_of(folder / "head", edited(tables, text_a=texts), outputs, suite_hash="cd")
    found = compare_folders(folder / "base", folder / "head")
    (reason,) = found.left_out
    assert reason.reason == "the texts differ between the runs"
    assert reason.count == len(reason.pair_ids) == 12
    assert all(name.startswith("pair-3-") for name in reason.pair_ids)
    assert found.common == 228
    assert found.warnings == (
        "The suite simulated differs between the runs; only pairs with the same texts are compared.",
    )


def test_half_a_unit_is_none() -> None:
    pairs = simulated()[0].pairs
    found = common_pairs(pairs, pairs[pairs["pair_id"] != pairs["pair_id"][0]])
    (count,) = found.counts
    assert (count.common, count.before, count.after) == (238, 240, 239)
    assert len(found.table) == 240


def test_a_chat_template_around_every_text_is_no_difference() -> None:
    pairs = simulated()[0].pairs
    chats = [
        pairs.assign(**{name: start + pairs[name] + end for name in ("text_a", "text_b")})
        for start, end in (("<|user|>", "<|model|>"), ("[INST]", "[/INST] "))
    ]
    assert common_pairs(*chats, {"simulated"}).counts[0].common == 240
    assert common_pairs(*chats).counts[0].common == 0
    other = chats[1].assign(text_a=chats[1]["text_a"].str.replace("met", "saw"))
    assert common_pairs(chats[0], other, {"simulated"}).counts[0].common == 0


def test_other_completions_are_another_question() -> None:
    pairs = simulated()[0].pairs
    found = common_pairs(pairs, pairs.assign(completion_1=" cake"))
    assert [(each.reason, each.count) for each in found.left_out] == [
        ("arms, candidates or completions differ between the runs", 240)
    ]


def test_versions_and_settings_are_warned_of(tmp_path: Path) -> None:
    tables, outputs = simulated()
    write_run_of(tmp_path / "base", tables, outputs)
    config = CONFIG.model_copy(update={"dtype": "bfloat16"})
    write_run_of(tmp_path / "head", tables, outputs, config=config, evenhand="0.2.0")
    assert compare_folders(tmp_path / "base", tmp_path / "head").warnings == (
        "The runs were made by different versions of evenhand: 0.1.0 and 0.2.0.",
        "The runs were measured with different settings: dtype float32 and bfloat16.",
    )


def test_settings_that_one_version_does_not_know_are_no_difference(tmp_path: Path) -> None:
    tables, outputs = simulated()
    write_run_of(tmp_path / "new", tables, outputs)
    old = write_run_of(tmp_path / "old", tables, outputs)
    generation = {"max_new_tokens": 99, "samples": 0}
    config = {**old.config, "ablation": {"sets": 200}, "generation": generation}
    write_audit(tmp_path / "old", old.model_copy(update={"config": config}))
    assert compare_folders(tmp_path / "old", tmp_path / "new").warnings == (
        "The runs were measured with different settings: generation max_new_tokens 99 and max_new_tokens 16.",
    )


def test_heads_of_another_architecture_are_not_compared(tmp_path: Path) -> None:
    tables, outputs = simulated()
    write_run_of(tmp_path / "base", tables, outputs)
    write_run_of(tmp_path / "head", tables, outputs, model=MODEL.model_copy(update={"layers": 3}))
    found = compare_folders(tmp_path / "base", tmp_path / "head")
    assert found.heads == ()
    assert found.heads_reason == (
        "the models have no heads in common: Small with 2 × 4 heads and Small with 3 × 4 heads"
    )
    assert found.outputs


def test_a_measure_of_one_run_only_is_unmeasured(tmp_path: Path) -> None:
    tables, outputs = simulated()
    found = compared(tmp_path, (tables, outputs), (tables, outputs[outputs["measure"] != "generation"]))
    (one,) = [each for each in found.outputs if each.measure == "generation_changed"]
    assert (one.change, one.size.reason) == ("unmeasured", "no continuations in both arms")


def test_a_baseline_of_an_older_format_is_compared_and_a_newer_run_in_it_is_refused(tmp_path: Path) -> None:
    tables, outputs = simulated()
    write_run_of(tmp_path / "new", tables, outputs)
    write_run_of(tmp_path / "old", tables, outputs)
    tables.pairs.drop(columns="task").to_parquet(tmp_path / "old" / "pairs.parquet", index=False)
    assert compare_folders(tmp_path / "old", tmp_path / "new").common == 240
    with pytest.raises(InputError) as caught:
        compare_folders(tmp_path / "new", tmp_path / "old")
    assert str(caught.value) == (
        f"{tmp_path}/old/pairs.parquet: lacks the columns task, as another version wrote it; run the audit again"
    )


def test_runs_without_a_common_pair_are_refused(tmp_path: Path) -> None:
    tables, outputs = simulated()
    other = edited(tables, suite="other")
    heads = other.heads.assign(suite="other")
    with pytest.raises(InputError) as caught:
        compared(tmp_path, (tables, outputs), (Tables(other.pairs, heads), outputs.assign(suite="other")))
    assert str(caught.value) == (
        f"{tmp_path}/base, {tmp_path}/head: the runs have no complete pair in common "
        "(no suite and pair id stands in both); expected runs of the same suite"
    )


def test_runs_whose_texts_all_differ_are_refused(tmp_path: Path) -> None:
    tables, outputs = simulated()
    with pytest.raises(InputError, match=r"\(240 pairs: the texts differ between the runs\)"):
        compared(tmp_path, (tables, outputs), (edited(tables, text_b="Nothing. he"), outputs))
