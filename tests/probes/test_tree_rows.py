"""Attention over prefix trees equals what stock transformers reports of each text alone, in every family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
import transformers

from probes.load import load
from probes.token_sequence import CapturedRows, TokenSequence
from probes.tree_pass import takes_trees
from probes.tree_sequences import run_in_trees
from tests.probes import family as made
from tests.probes.families import FAMILIES

TEXTS = ((4, 5, 6, 7, 8, 9), (4, 5, 6, 10, 11), (4, 12, 13), (14, 5, 6))
DECODERS = [name for name, tiny in FAMILIES.items() if tiny.family == "decoder"]
#: Families that read texts side by side: windows as short as the text here, whole matrices, states that go from
#: token to token, positions of their own, or no attention interface.
ALONE = {
    "ministral",
    "mistral",
    "gemma3",
    "gemma2",
    "gptoss",
    "qwen3next",
    "lfm2",
    "bloom",
    "mpt",
    "falcon",
    "gptj",
    "codegen",
    "gptneo",
    "openai-gpt",
    "xglm",
    "gptneox-japanese",
}


@pytest.mark.parametrize("name", DECODERS)
def test_rows_over_trees(name: str, tmp_path: Path) -> None:
    folder = made.folder(tmp_path, FAMILIES[name])
    model = load(str(folder))
    assert takes_trees(model, 6) == (name not in ALONE)
    if name in ALONE:
        return
    found: dict[int, CapturedRows] = {}

    def receive(rows: Mapping[int, CapturedRows]) -> None:
        found.update(rows)

    wanted = [TokenSequence(ids, (), tuple(range(len(ids))), len(ids)) for ids in TEXTS]
    run_in_trees(model, wanted, receive)
    auto = getattr(transformers, FAMILIES[name].auto)
    stock = auto.from_pretrained(folder, attn_implementation="eager", local_files_only=True).eval()
    for number, ids in enumerate(TEXTS):
        with torch.no_grad():
            reported = stock(torch.tensor([ids]), output_attentions=True).attentions
        ours = torch.tensor(found[number].weights)
        assert found[number].layers == tuple(range(len(reported)))
        torch.testing.assert_close(ours, torch.cat(reported), rtol=0, atol=1e-5)
