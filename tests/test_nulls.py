"""The null is silent: where labels, directions or weights mean nothing, the audit flags nothing.

A test that resamples templates only calls dozens of heads of these nulls biased, since the same nouns
recur in every template; with templates and items both random they stay silent.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerFast

from audit.api import Request, run_audit
from audit.config import CausalSettings, RunConfig
from audit.expand import expand
from audit.heads import analyse_heads, possible_heads, redirect
from audit.loader import load_config, load_suite
from audit.pairs import Pair
from audit.progress import Watcher
from audit.results import HeadFinding, Verdict
from audit.runner import measure
from audit.tables import Tables
from probes.attention import AttentionProbe
from probes.causal import CausalProbe
from probes.model import LoadedModel
from tests.probes.conftest import demo  # noqa: F401  (a fixture)

DRAWS = 20
QUICK = load_config("quick")[0]
CONFIG = QUICK.model_copy(
    update={
        "probes": ("attention", "causal"),
        "causal": CausalSettings(heads="possible", kinds=("treatment", "control")),
    }
)
PAIRS = [
    pair
    for pair in expand(load_suite("quickstart"))
    if pair.contrast == ("she", "he") and pair.completions is not None
]
KINDS = {"labels": None, "same-group": "same-group"}


def own(kind: str) -> list[Pair]:
    """The pairs of one null: the treatments, or the controls with candidates of one group."""
    return [pair for pair in PAIRS if pair.control == KINDS[kind]]


class MeasuredOnce:
    """Attention of the demo model on all pairs; causal effects of the heads that a draw asks for."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        tables = measure(model, PAIRS, [AttentionProbe()], CONFIG, Watcher(quiet=True))
        self.pairs, self.heads = tables.pairs(), tables.heads()

    def draw(self, kind: str, seed: int) -> list[HeadFinding]:
        """One null audit: a random direction per item, the same in all templates; then the real rule."""
        items = sorted({pair.item for pair in own(kind)})
        signs = 2 * np.random.default_rng(seed).integers(0, 2, len(items)) - 1
        direction = dict(zip(items, signs.tolist(), strict=True))
        named = {pair.pair_id for pair in own(kind)}
        pairs = self.pairs[self.pairs["pair_id"].isin(named)]
        heads = self.heads[self.heads["pair_id"].isin(named)]
        choice = possible_heads(*redirect(pairs, heads, direction), CONFIG)["quickstart", ("she", "he")]
        if choice.pronoun or choice.next:
            tables = Tables(own(kind))
            tables.add(CausalProbe().measure(self.model, own(kind), CONFIG, choice))
            keys = ["suite", "pair_id", "stream", "layer", "head"]
            effects = tables.heads().set_index(keys)[["nie", "nde", "nie_next", "nde_next"]]
            heads = heads.drop(columns=list(effects.columns)).merge(effects.reset_index(), on=keys)
        return analyse_heads(*redirect(pairs, heads, direction), CONFIG)


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
        signs = 2 * np.random.default_rng(seed).integers(0, 2, len(items)) - 1
        treatment = measured.pairs[measured.pairs["kind"] == "treatment"]
        pairs, heads = redirect(treatment, measured.heads, dict(zip(items, signs.tolist(), strict=True)))
        # one item a unit that never recurs: templates alone are random
        alone = pairs.assign(item=pairs["cluster"] + pairs["item"])
        every_size = CONFIG.model_copy(update={"min_bias": 0.0})
        choice = possible_heads(alone, heads, every_size)["quickstart", ("she", "he")]
        cried.append(len(choice.pronoun or ()) + len(choice.next or ()))
    assert min(cried) > 5
    assert np.mean(cried) > 20


def words_tokenizer() -> PreTrainedTokenizerFast:
    """One token for each word of the suite."""
    texts = [text.text for pair in expand(load_suite("quickstart")) for text in (pair.a, pair.b)]
    words = sorted({word for text in texts for word in re.findall(r"\w+|[^\w\s]", text)} | {"she", "he"})
    numbers = {word: number for number, word in enumerate(["<unk>", "<s>", "</s>", *words])}
    inner = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **names)


def random_model(folder: Path, seed: int) -> Path:
    """Save a model as it is before training: 6 layers of 12 heads, two families in turn."""
    tokenizer = words_tokenizer()
    size = {"vocab_size": len(tokenizer), "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = (
        GPT2Config(n_embd=96, n_layer=6, n_head=12, n_positions=64, **size)
        if seed % 2
        else LlamaConfig(
            hidden_size=96,
            intermediate_size=128,
            num_hidden_layers=6,
            num_attention_heads=12,
            max_position_embeddings=64,
            **size,
        )
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


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
