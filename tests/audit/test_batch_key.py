"""A key changes with everything that determines a measurement, and with nothing else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from audit.batch_key import RunKey, run_key
from audit.batches import Batch
from audit.config import AblationKind, AblationSettings, CausalSettings, Check, GenerationSettings, RunConfig
from audit.protocols import HeadChoice
from audit.results import SelfTestStep
from tests.audit.fakes import pair
from tests.audit.test_store import MODEL

CONFIG = RunConfig()
ENVIRONMENT = {
    "versions": dict.fromkeys(("evenhand", "torch", "transformers", "tokenizers", "numpy", "pandas"), "1"),
    "threads": 1,
}
BATCH = Batch(1, (pair("p"), pair("q")), HeadChoice())
CHECK = Check(id="c", measure="total_effect", at_most=1, set_by="A", reason="r", date=dt.date(2026, 1, 1))


@dataclass
class Instrument:
    name: str = "likelihood"
    version: str = "1"
    stage: int = 1


def key(
    model: Any = MODEL,
    config: RunConfig = CONFIG,
    batch: Batch = BATCH,
    environment: dict[str, Any] = ENVIRONMENT,
    probes: tuple[Any, ...] = (Instrument(), Instrument("causal", "1", 2)),
) -> str:
    found: RunKey = run_key(model, config, probes, (), environment)
    return found.of_batch(batch)


def changed(**fields: Any) -> RunConfig:
    return RunConfig.model_validate({**CONFIG.model_dump(), **fields})


def ablating(*kinds: AblationKind) -> RunConfig:
    """The probes of a key are those that are given, not the config's."""
    return changed(probes=("attention", "ablation"), ablation=AblationSettings(kinds=kinds))


def versions(name: str) -> dict[str, Any]:
    return {**ENVIRONMENT, "versions": {**ENVIRONMENT["versions"], name: "2"}}  # type: ignore[dict-item]


def with_text(**fields: Any) -> Batch:
    first, second = BATCH.pairs
    return replace(BATCH, pairs=(first, replace(second, a=replace(second.a, **fields))))


def with_pair(**fields: Any) -> Batch:
    first, second = BATCH.pairs
    return replace(BATCH, pairs=(first, replace(second, **fields)))


DIFFERENT: dict[str, Callable[[], str]] = {
    "model bytes": lambda: key(MODEL.model_copy(update={"hashes": {"model.safetensors": "0"}})),
    "tokenizer": lambda: key(MODEL.model_copy(update={"hashes": {"tokenizer.json": "0"}})),
    "dtype": lambda: key(MODEL.model_copy(update={"dtype": "bfloat16"})),
    "device": lambda: key(MODEL.model_copy(update={"device": "cuda:0"})),
    "route": lambda: key(MODEL.model_copy(update={"attention_route": "weights read at the softmax"})),
    "asked dtype": lambda: key(config=changed(dtype="auto")),
    "seed": lambda: key(config=changed(seed=1)),
    "batch size": lambda: key(config=changed(batch_size=4)),
    "generation": lambda: key(config=changed(generation=GenerationSettings(max_new_tokens=4))),
    "kinds": lambda: key(config=changed(causal=CausalSettings(kinds=("treatment", "control")))),
    "kinds of ablation": lambda: key(config=ablating("zero")),
    "other kinds of ablation": lambda: key(config=ablating("zero", "mean")),
    "probe version": lambda: key(probes=(Instrument(version="2"), Instrument("causal", "1", 2))),
    "probe name": lambda: key(probes=(Instrument("masked"), Instrument("causal", "1", 2))),
    "probes": lambda: key(probes=(Instrument(),)),
    "threads": lambda: key(environment={**ENVIRONMENT, "threads": 2}),
    **{
        f"{name} version": lambda name=name: key(environment=versions(name)) for name in ("evenhand", "torch")
    },  # type: ignore[misc]
    "transformers version": lambda: key(environment=versions("transformers")),
    "tokenizers version": lambda: key(environment=versions("tokenizers")),
    "numpy version": lambda: key(environment=versions("numpy")),
    "stage": lambda: key(batch=replace(BATCH, stage=2)),
    "heads": lambda: key(batch=replace(BATCH, heads=HeadChoice(frozenset({(0, 1)}), frozenset()))),
    "head": lambda: key(batch=replace(BATCH, heads=HeadChoice(frozenset({(0, 2)}), frozenset()))),
    "row": lambda: key(batch=replace(BATCH, heads=HeadChoice(frozenset(), frozenset({(0, 1)})))),
    "fewer pairs": lambda: key(batch=replace(BATCH, pairs=BATCH.pairs[:1])),
    "order of pairs": lambda: key(batch=replace(BATCH, pairs=BATCH.pairs[::-1])),
    "text": lambda: key(batch=with_text(text="nurse met pilot : she said!")),
    "swap": lambda: key(batch=with_text(swap=())),
    "mentions": lambda: key(batch=with_text(mentions={"pronoun": (0, 5)})),
    "arm": lambda: key(batch=with_text(arm="they")),
    "group": lambda: key(batch=with_text(group="neutral")),
    "pair id": lambda: key(batch=with_pair(pair_id="r")),
    "suite": lambda: key(batch=with_pair(suite="other")),
    "template": lambda: key(batch=with_pair(cluster="u")),
    "completions": lambda: key(batch=with_pair(completions=(" nurse", " pilot"))),
    "gold": lambda: key(batch=with_pair(gold="nurse")),
    "task": lambda: key(batch=with_pair(task="sentence")),
    "attributes": lambda: key(batch=with_pair(attributes={"bias": 1})),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_determines_a_measurement_is_in_its_key(what: str) -> None:
    assert DIFFERENT[what]() != key()


def test_no_two_of_these_keys_are_alike() -> None:
    made = {what: make() for what, make in DIFFERENT.items()}
    assert len({*made.values()}) == len(made)


STEP = SelfTestStep(name="s", passed=True)
SAME: dict[str, Callable[[], str]] = {
    "checks": lambda: key(config=changed(checks=(CHECK,))),
    "preset": lambda: key(config=changed(preset="mine")),
    "rules": lambda: key(config=changed(q=0.1, min_bias=0.1, min_nie=0.1, power=0.9, correction="by")),
    "hidden bias": lambda: key(config=changed(largest_hidden_bias=0.5)),
    "detail": lambda: key(config=changed(detail=0)),
    "ablation": lambda: key(config=changed(ablation=AblationSettings(sets=30))),
    "which heads": lambda: key(config=changed(causal=CausalSettings(heads="all"))),
    "surveyors": lambda: key(config=changed(probes=(*CONFIG.probes, "patterns"))),
    "name": lambda: key(MODEL.model_copy(update={"name": "elsewhere"})),
    "self-test": lambda: key(MODEL.model_copy(update={"self_test": (STEP,)})),
    "pandas": lambda: key(environment=versions("pandas")),
    "file": lambda: key(batch=with_pair(file="moved.yaml", line=9)),
    "probe of the other stage": lambda: key(probes=(Instrument(), Instrument("causal", "2", 2))),
}


@pytest.mark.parametrize("what", SAME)
def test_what_determines_nothing_is_in_no_key(what: str) -> None:
    assert SAME[what]() == key()


class Shown(Instrument):
    """Looks at all pairs before it measures the first."""

    def prepare(self, model: Any, pairs: Any, config: Any) -> None:
        """Plan ahead."""


def test_what_was_shown_all_pairs_may_depend_on_all_of_them() -> None:
    def keys(*probes: Any) -> set[str]:
        shown = [BATCH.pairs, (*BATCH.pairs, pair("r")), BATCH.pairs[::-1]]
        made = [run_key(MODEL, CONFIG, probes, (), ENVIRONMENT, pairs) for pairs in shown]
        return {each.of_batch(BATCH) for each in made}

    assert len(keys(Instrument(), Shown("causal", "1", 2))) == 1
    assert len(keys(Shown(), Instrument("causal", "1", 2))) == 3


def test_a_trial_is_known_by_probe_pairs_and_sets() -> None:
    made = run_key(MODEL, CONFIG, (Instrument(),), (), ENVIRONMENT)  # type: ignore[arg-type]
    sets = (HeadChoice(frozenset({(0, 1)}), frozenset()),)
    what = (BATCH.pairs, sets, 2)
    keys = {
        made.of_trial(Instrument("ablation", version), each)  # type: ignore[arg-type]
        for version in ("1", "2")
        for each in (what, (BATCH.pairs[:1], sets, 2), (BATCH.pairs, (), 2), (BATCH.pairs, sets, 3))
    }
    assert len(keys) == 8
    assert made.of_trial(Instrument("ablation"), what) in keys  # type: ignore[arg-type]


def test_changed_source_of_a_probe_changes_the_key(tmp_path: Any) -> None:
    import importlib.util

    keys = set()
    for body in ("stage = 1", "stage = 1  # otherwise"):
        file = tmp_path / "own_probe.py"
        file.write_text(f"class Own:\n    name = version = 'own'\n    {body}\n")
        spec = importlib.util.spec_from_file_location("own_probe", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        import sys

        sys.modules["own_probe"] = module
        spec.loader.exec_module(module)
        keys.add(key(probes=(module.Own(),)))
        del sys.modules["own_probe"]
    assert len(keys) == 2
