"""Where neither template nor item recurs, p comes from sign-flips, through the whole analysis."""

from __future__ import annotations

from tests.audit.simulated import Tables, simulate
from tests.audit.test_heads import CONFIG, PLANTED, analyse


def test_where_nothing_recurs_signs_are_flipped_from_the_recorded_seed() -> None:
    tables = simulate(PLANTED, seed=0)
    own = tables.pairs["cluster"] + tables.pairs["item"]
    config = CONFIG.model_copy(update={"seed": 7})
    found = analyse(Tables(tables.pairs.assign(cluster=own, item=own), tables.heads), config)
    for finding in found.values():
        for estimate in (finding.bias, finding.nie, finding.bias_next):
            assert estimate.method.startswith("paired sign-flips of 120 units (10112 drawn); interval: t")
            assert estimate.seed == 7
        assert finding.jsd.seed is None
    assert found[0, 0].flagged
