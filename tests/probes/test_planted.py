"""A planted model is what it says: blind where it should be, loaded like any other, and found by the audit."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from audit.config import RunConfig
from audit.errors import InputError
from audit.expand import expand
from audit.loader import load_suite
from audit.pairs import Pair
from audit.planting import Planting
from audit.progress import Watcher
from audit.protocols import PlantedModel
from audit.runner import measure
from audit.selfcheck import judge, measuring_config
from probes.attention import AttentionProbe
from probes.causal import CausalProbe
from probes.load import load
from probes.model import LoadedModel
from probes.planted import PlantedGpt2
from probes.planted_weights import BLOCKS, HEADS, LAYERS, WIDTH
from probes.selftest import self_test
from tests.probes import tiny

PAIRS = expand(load_suite("selfcheck"))
TREATMENTS = [pair for pair in PAIRS if pair.kind == "treatment"]
CONFIG = measuring_config(RunConfig())
Frames = tuple[pd.DataFrame, pd.DataFrame]


def measured(model: LoadedModel, pairs: list[Pair] = TREATMENTS) -> Frames:
    tables = measure(model, pairs, [AttentionProbe(), CausalProbe()], CONFIG, Watcher(quiet=True))
    return tables.pairs(), tables.heads()


@pytest.fixture(scope="module")
def planted() -> PlantedModel:
    return PlantedGpt2().plant(PAIRS, Planting(0))


@pytest.fixture(scope="module")
def frames(planted: PlantedModel) -> Frames:
    return measured(planted.model)


def test_the_blocks_share_the_width_and_do_not_overlap() -> None:
    taken = [place for block in BLOCKS.values() for place in range(WIDTH)[block]]
    assert sorted(taken) == list(range(WIDTH))


def test_every_embedding_and_every_write_sums_to_nothing(planted: PlantedModel) -> None:
    """Else the mean that LayerNorm subtracts carries the tie into heads that should not see it."""
    weights = planted.model.net.state_dict()
    written = ["transformer.wte.weight", "transformer.wpe.weight"]
    written += [
        f"transformer.h.{layer}.{part}.c_proj.weight" for layer in range(LAYERS) for part in ("attn", "mlp")
    ]
    for name in written:
        assert weights[name].abs().max() > 0
        assert weights[name].sum(dim=1).abs().max() < 1e-5, name
    assert all(torch.all(value == 1) for name, value in weights.items() if "ln_" in name and "weight" in name)
    assert all(torch.all(value == 0) for name, value in weights.items() if name.endswith("bias"))


def test_heads_without_a_part_do_not_see_the_tie_of_a_noun() -> None:
    """Exchange the two ties of all nouns: in a model without planted heads nothing moves before the last layer."""
    null = PlantedGpt2().plant(PAIRS, Planting.nothing(3)).model
    before = hidden(null)
    with torch.no_grad():
        null.net.get_input_embeddings().weight[:, BLOCKS["tie"]] *= -1
    after = hidden(null)
    others = [place for place in range(WIDTH) if place not in range(WIDTH)[BLOCKS["tie"]]]
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(other[..., others], one[..., others], atol=1e-5, rtol=0)
    assert not torch.equal(before[0], after[0])


def hidden(model: LoadedModel) -> list[torch.Tensor]:
    ids = torch.tensor([model.encode(TREATMENTS[0].a.text).ids])
    with torch.no_grad():
        states = model.net.transformer(input_ids=ids, output_hidden_states=True).hidden_states
    return list(states[:-1])  # the last one is normed


def test_planted_heads_get_their_labels_and_only_carriers_are_flagged(
    planted: PlantedModel, frames: Frames
) -> None:
    audit = judge(planted, 0, *frames, CONFIG)
    assert sorted(planted.truth.values()) == ["acts"] * 2 + ["carries"] * 3 + ["moves"] * 2 + ["opposes"] * 2
    assert {place: audit.labels[place] for place in planted.truth} == dict(planted.truth)
    assert audit.flagged == audit.carriers
    assert len(audit.labels) == LAYERS * HEADS


def test_what_is_planted_has_the_size_that_it_should(planted: PlantedModel, frames: Frames) -> None:
    heads = frames[1]
    means = heads.groupby(["layer", "head"])[["bias", "nie"]].mean().to_dict("index")
    carriers = [means[place] for place, label in planted.truth.items() if label == "carries"]
    assert 0.15 < np.mean([abs(mean["bias"]) for mean in carriers]) < 0.3
    assert 0.15 < np.mean([mean["nie"] for mean in carriers]) < 0.45
    assert heads["bias_next"].isna().all()  # the text ends at the pronoun


def test_saved_and_loaded_through_the_usual_door_it_is_the_same(
    planted: PlantedModel, frames: Frames, tmp_path: Path
) -> None:
    truth = PlantedGpt2().save(tmp_path / "planted", PAIRS, Planting(0))
    assert truth == planted.truth
    loaded = load(str(tmp_path / "planted"))
    assert [step.name for step in self_test(loaded) if not step.passed] == []
    few = TREATMENTS[:32]
    heads = measured(loaded, few)[1]
    before = frames[1][frames[1]["pair_id"].isin({pair.pair_id for pair in few})].reset_index(drop=True)
    pd.testing.assert_frame_equal(heads, before, atol=1e-5)  # other batches round otherwise


def test_a_seed_is_a_model_and_the_global_seeds_are_left_alone(planted: PlantedModel) -> None:
    states = pickle.dumps(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
    again = PlantedGpt2().plant(PAIRS, Planting(0))
    other = PlantedGpt2().plant(PAIRS, Planting(1))
    assert pickle.dumps(np.random.get_state()) == states[0]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])
    assert again.truth == planted.truth != other.truth
    for name, value in planted.model.net.state_dict().items():
        assert torch.equal(value, again.model.net.state_dict()[name])


def test_a_mention_of_two_words_is_told() -> None:
    with pytest.raises(InputError) as caught:
        PlantedGpt2().plant([tiny.pair("head nurse", "doctor")], Planting(0))
    assert str(caught.value) == (
        "t.yaml:1: 'head nurse' is not one word; heads can be planted only for mentions of one word"
    )
