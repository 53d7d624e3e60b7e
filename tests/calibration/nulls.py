"""Audits in which nothing is true: labels that mean nothing, candidates of one group, models before training."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerFast

from audit.config import CausalSettings
from audit.expand import expand
from audit.heads import analyse_heads, possible_heads
from audit.loader import load_config, load_suite
from audit.pairs import Pair
from audit.progress import Watcher
from audit.protocols import HeadChoice
from audit.redirect import redirect
from audit.results import HeadFinding
from audit.runner import measure
from audit.selfcheck import Share
from audit.tables import Tables
from probes.attention import AttentionProbe
from probes.causal import CausalProbe
from probes.load import load
from probes.model import LoadedModel
from tests.calibration.ledger import Row, drawn, write_figures
from tests.calibration.planted import told

DRAWS = 100
MODELS = 20
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
_KEYS = ["suite", "pair_id", "stream", "layer", "head"]
_EFFECTS = ["nie", "nde", "nie_next", "nde_next"]


def own(kind: str) -> list[Pair]:
    """The pairs of one null: the treatments, or the controls with candidates of one group."""
    return [pair for pair in PAIRS if pair.control == KINDS[kind]]


def random_directions(items: Sequence[str], seed: int) -> dict[str, int]:
    """A direction for each item, the same in all templates."""
    signs = 2 * np.random.default_rng(seed).integers(0, 2, len(items)) - 1
    return dict(zip(items, signs.tolist(), strict=True))


class MeasuredOnce:
    """Attention of a model on all pairs; causal effects of the heads that draws ask for, each measured once."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        tables = measure(model, PAIRS, [AttentionProbe()], CONFIG, Watcher(quiet=True))
        self.pairs, self.heads = tables.pairs(), tables.heads()
        self._known = {kind: (frozenset[tuple[int, int]](), frozenset[tuple[int, int]]()) for kind in KINDS}
        self._effects: dict[str, pd.DataFrame] = {}

    def draw(self, kind: str, seed: int) -> list[HeadFinding]:
        """One null audit: a random direction per item; then the real rule."""
        direction = random_directions(sorted({pair.item for pair in own(kind)}), seed)
        named = {pair.pair_id for pair in own(kind)}
        pairs = self.pairs[self.pairs["pair_id"].isin(named)]
        heads = self.heads[self.heads["pair_id"].isin(named)]
        choice = possible_heads(*redirect(pairs, heads, direction), CONFIG)["quickstart", ("she", "he")]
        return analyse_heads(*redirect(pairs, self._with_effects(kind, heads, choice), direction), CONFIG)

    def _with_effects(self, kind: str, heads: pd.DataFrame, choice: HeadChoice) -> pd.DataFrame:
        """Heads with the effects of those chosen, and of no others: what a run would have measured."""
        wanted = choice.pronoun or frozenset(), choice.next or frozenset()
        if not any(wanted):
            return heads
        self._measure(kind, HeadChoice(wanted[0] - self._known[kind][0], wanted[1] - self._known[kind][1]))
        effects = self._effects[kind].copy()
        places = pd.Series(list(zip(effects["layer"], effects["head"], strict=True)), index=effects.index)
        for row, chosen in zip(("", "_next"), wanted, strict=True):
            effects.loc[~places.isin(chosen), [f"nie{row}", f"nde{row}"]] = np.nan
        return heads.drop(columns=_EFFECTS).merge(effects, on=_KEYS, how="left")

    def _measure(self, kind: str, missing: HeadChoice) -> None:
        if not (missing.pronoun or missing.next):
            return
        tables = Tables(own(kind))
        tables.add(CausalProbe().measure(self.model, own(kind), CONFIG, missing))
        fresh = tables.heads().set_index(_KEYS)[_EFFECTS]
        before = self._effects.get(kind)
        joined = fresh if before is None else before.set_index(_KEYS).combine_first(fresh)
        self._effects[kind] = joined.reset_index()
        known = self._known[kind]
        self._known[kind] = known[0] | (missing.pronoun or set()), known[1] | (missing.next or set())


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


def counted(found: Sequence[HeadFinding]) -> Row:
    """What a null audit flagged, and how many tests it made."""
    tests = sum(p is not None for head in found for p in (head.p_flag, head.p_flag_next))
    return {"flagged": sum(head.flagged for head in found), "tests": tests}


def false_audits(rows: Sequence[Row]) -> Row:
    return {
        "audits with any flag": told(Share(sum(row["flagged"] > 0 for row in rows), len(rows))),
        "flags": sum(row["flagged"] for row in rows),
        "tests an audit": round(float(np.mean([row["tests"] for row in rows]))),
    }


def run_demo() -> None:
    """The demo model, 100 draws of each null."""
    measured: list[MeasuredOnce] = []  # loaded only if a draw is missing

    def draw(key: str) -> Row:
        if not measured:
            measured.append(MeasuredOnce(load("demo")))
        kind, seed = key.split("/")
        return counted(measured[0].draw(kind, int(seed)))

    rows = {kind: drawn("demo", [f"{kind}/{seed}" for seed in range(DRAWS)], draw) for kind in KINDS}
    write_figures("nulls on the demo model", {kind: false_audits(own) for kind, own in rows.items()})


def run_untrained() -> None:
    """Models before training, every head's effect measured."""
    config = CONFIG.model_copy(update={"causal": CausalSettings(heads="all")})
    treatments = own("labels")

    def draw(key: str) -> Row:
        with tempfile.TemporaryDirectory() as folder:
            model = load(str(random_model(Path(folder) / "model", int(key))))
            tables = measure(
                model, treatments, [AttentionProbe(), CausalProbe()], config, Watcher(quiet=True)
            )
        return counted(analyse_heads(tables.pairs(), tables.heads(), config))

    rows = drawn("untrained", map(str, range(MODELS)), draw)
    write_figures("models before training", false_audits(rows))
