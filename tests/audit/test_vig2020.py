"""The ratio form, against the numbers that Vig et al. (2020) published with their code."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from audit.effects import ratio_effect, total_effect, vig_filter
from tests.folders import shared

Array = npt.NDArray[np.float64]


def published(name: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """The header of a file, and every per-pair value as one array."""
    data = json.loads(shared("data", "vig2020", name).read_text(encoding="utf-8"))
    results = data.pop("results")
    keys = [key for key, value in results[0].items() if not isinstance(value, str)]
    return data, {key: np.array([result[key] for result in results]) for key in keys}


def log_odds(pairs: dict[str, Array], text: str) -> Array:
    """`log p(c_2) - log p(c_1)` in the base or the alternative text."""
    return np.log(pairs[f"candidate2_{text}_prob"]) - np.log(pairs[f"candidate1_{text}_prob"])


def by_strength(effects: Array) -> list[tuple[int, int]]:
    """Heads by their mean effect, strongest first."""
    mean = effects.mean(axis=0)
    return [divmod(int(place), mean.shape[1]) for place in np.argsort(-mean, axis=None)]


FILES = ["gpt2_filtered_dev.json", "distilgpt2_unfiltered_dev.json"]


@pytest.mark.parametrize("name", FILES)
def test_their_total_effects_follow_from_their_probabilities(name: str) -> None:
    header, pairs = published(name)
    found = ratio_effect(total_effect(log_odds(pairs, "alt"), log_odds(pairs, "base")))
    np.testing.assert_allclose(found, pairs["total_effect"], rtol=0, atol=1e-12)
    assert float(found.mean()) == pytest.approx(header["mean_total_effect"], abs=1e-12)
    for measure, key in (("indirect", "indirect_effect_model"), ("direct", "direct_effect_model")):
        expected = header[f"mean_model_{measure}_effect"]
        assert float(pairs[key].mean()) == pytest.approx(expected, abs=1e-12)


def test_the_four_digits_that_they_print() -> None:
    _, pairs = published("gpt2_filtered_dev.json")
    found = ratio_effect(total_effect(log_odds(pairs, "alt"), log_odds(pairs, "base")))
    means = (found, pairs["indirect_effect_model"], pairs["direct_effect_model"])
    assert [f"{value.mean():.4f}" for value in means] == ["0.2493", "0.1820", "0.0794"]
    assert by_strength(pairs["indirect_effect_head"])[:4] == [(5, 8), (5, 10), (4, 6), (5, 9)]
    _, pairs = published("distilgpt2_unfiltered_dev.json")
    found = ratio_effect(total_effect(log_odds(pairs, "alt"), log_odds(pairs, "base")))
    means = (found, pairs["indirect_effect_model"], pairs["direct_effect_model"])
    assert [f"{value.mean():.4f}" for value in means] == ["0.0122", "0.0146", "-0.0013"]


def test_their_effects_are_log_odds_effects_in_another_form() -> None:
    # y(x; head of x') follows from an indirect effect, and y(x'; head of x) from a direct one.
    _, pairs = published("gpt2_filtered_dev.json")
    for key in ("indirect_effect_head", "direct_effect_head"):
        forward = np.log1p(pairs[key])
        np.testing.assert_allclose(ratio_effect(forward), pairs[key], rtol=0, atol=1e-12)


def test_the_pairs_that_they_kept_are_above_their_threshold() -> None:
    header, pairs = published("gpt2_filtered_dev.json")
    assert header["num_examples_analyzed"] == len(pairs["total_effect"]) == 87
    assert (pairs["total_effect"] + 1 > header["threshold"]).all()
    # Of the 116 pairs with an effect above 0 their filter leaves out the lowest quarter.
    assert header["num_examples_aligned"] - 87 == header["num_examples_aligned"] * header["filter_quantile"]
    aligned = np.concatenate([np.full(29, header["threshold"] - 1), pairs["total_effect"]])
    kept = vig_filter(np.concatenate([aligned, np.full(44, -0.1)]))
    assert kept.tolist() == [False] * 29 + [True] * 87 + [False] * 44


def test_the_filter_by_hand() -> None:
    ratio = np.array([0.4, -0.2, 0.1, np.nan, 0.3, 0.2, 0.0])
    # above 0: .4 .1 .3 .2, of which the 25th percentile is .175
    assert vig_filter(ratio).tolist() == [True, False, False, False, True, True, False]
    assert not vig_filter(np.array([-0.1, np.nan])).any()
