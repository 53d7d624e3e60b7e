"""The null is silent: where labels, directions or weights mean nothing, the audit flags nothing.

A test that resamples templates only calls dozens of heads of these nulls biased, since the same nouns
recur in every template; with templates and items both random they stay silent.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit.api import Request, run_audit
from audit.config import RunConfig
from audit.expand import expand
from audit.heads import possible_heads
from audit.loader import load_suite
from audit.progress import Watcher
from audit.redirect import redirect
from audit.results import Verdict
from probes.model import LoadedModel
from tests.calibration.nulls import CONFIG, KINDS, QUICK, MeasuredOnce, own, random_directions, random_model
from tests.probes.conftest import demo  # noqa: F401  (a fixture)

DRAWS = 20


@pytest.fixture(scope="module")
def measured(demo: LoadedModel) -> MeasuredOnce:  # noqa: F811
    return MeasuredOnce(demo)


@pytest.mark.parametrize("kind", list(KINDS))
def test_directions_that_mean_nothing_flag_nothing_on_the_demo_model(
    measured: MeasuredOnce, kind: str
) -> None:
    audits = [measured.draw(kind, seed) for seed in range(DRAWS)]
    assert all(len(audit) == 270 for audit in audits)
    assert sum(any(head.flagged for head in audit) for audit in audits) <= 2


def test_a_test_that_resamples_templates_only_would_cry_wolf(measured: MeasuredOnce) -> None:
    """The trap, on the same draws: items treated as fixed, dozens of rows look biased."""
    items = sorted({pair.item for pair in own("labels")})
    cried = []
    for seed in range(5):
        treatment = measured.pairs[measured.pairs["kind"] == "treatment"]
        pairs, heads = redirect(treatment, measured.heads, random_directions(items, seed))
        # one item a unit that never recurs: templates alone are random
        alone = pairs.assign(item=pairs["cluster"] + pairs["item"])
        every_size = CONFIG.model_copy(update={"min_bias": 0.0})
        choice = possible_heads(alone, heads, every_size)["quickstart", ("she", "he")]
        cried.append(len(choice.pronoun or ()) + len(choice.next or ()))
    assert min(cried) > 5
    assert np.mean(cried) > 20


@pytest.mark.parametrize("seed", range(5))
def test_a_model_with_random_weights_is_never_failed(seed: int, tmp_path: Path) -> None:
    config: RunConfig = QUICK.model_copy(
        update={"probes": ("attention", "likelihood", "causal"), "detail": 0, "seed": seed}
    )
    suites = (load_suite("quickstart"),)
    request = Request(
        suites, str(random_model(tmp_path / "model", seed)), config, tmp_path / "run", formats=()
    )
    audit = run_audit(request, Watcher(quiet=True)).audit
    assert audit.coverage.measured == audit.coverage.planned == len(expand(suites[0]))
    tested = [head for head in audit.heads if head.contrast == ("she", "he")]
    assert len(tested) == 72
    assert all(head.p_flag is not None for head in tested)
    assert [head for head in audit.heads if head.flagged] == []
    assert audit.verdict is not Verdict.FAIL
    effects = [found for found in audit.findings if found.measure == "total_effect" and not found.control]
    assert [found.contrast for found in effects if found.estimate is not None] == [
        ("female-job", "male-job"),
        ("she", "he"),
    ]
