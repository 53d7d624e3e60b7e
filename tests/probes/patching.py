"""Interventions one text at a time, through a stock eager model and a watch of the test's own (the oracle)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from audit.pairs import CANDIDATE_1, CANDIDATE_2, PRONOUN, Pair, Text
from probes.intervention import Kind
from probes.load import load
from probes.model import LoadedModel
from tests.probes import family
from tests.probes.families import FAMILIES
from tests.probes.family import MASKED, SEQ2SEQ, Tiny

_SOFTMAX = (torch.nn.functional.softmax, torch.softmax, torch.Tensor.softmax)
MASK = "[MASK]"

#: Stream and layer of one attention call, and its weights ``[1, heads, queries, keys]``, which may be changed.
Edit = Callable[[str, int, torch.Tensor], None]
#: Stream, layer, head.
Head = tuple[str, int, int]


class Softmaxes(TorchFunctionMode):
    """Numbers the attention matrices of one pass, keeps a copy of each and lets a test change it."""

    def __init__(self, name: Callable[[int], tuple[str, int]], edit: Edit | None) -> None:
        super().__init__()
        self.seen: dict[tuple[str, int], torch.Tensor] = {}
        self._name, self._edit = name, edit

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _SOFTMAX and result.ndim == 4:
            stream, layer = self._name(len(self.seen))
            self.seen[stream, layer] = result.clone()
            if self._edit is not None:
                self._edit(stream, layer, result)
        return result


@dataclass(frozen=True, slots=True)
class Case:
    """A family as evenhand loads it, and as stock transformers loads it from the same folder."""

    tiny: Tiny
    model: LoadedModel
    stock: PreTrainedModel

    @property
    def streams(self) -> dict[str, tuple[int, int]]:
        """Stream → layers and heads."""
        anatomy = self.model.anatomy
        return {stream: (anatomy.layers[stream], anatomy.heads[stream]) for stream in anatomy.layers}

    def heads(self, stream: str) -> list[Head]:
        """All heads of a stream."""
        layers, heads = self.streams[stream]
        return [(stream, layer, head) for layer in range(layers) for head in range(heads)]

    def place(self, number: int) -> tuple[str, int]:
        """Stream and layer of the n-th attention matrix of a pass."""
        if "encoder" not in self.streams:
            return "self", number
        encoder, _ = self.streams["encoder"]
        if number < encoder:
            return "encoder", number
        return ("decoder", "cross")[(number - encoder) % 2], (number - encoder) // 2


def case(name: str, place: Path, seed: int = 0) -> Case:
    """Make a family, save it, and load it both ways."""
    tiny = FAMILIES[name]
    family.network(tiny, seed).save_pretrained(place)
    tokenizer = family.tokenizer()
    tokenizer.add_special_tokens({"mask_token": MASK})
    tokenizer.save_pretrained(place)
    auto = getattr(transformers, tiny.auto)
    stock = auto.from_pretrained(place, attn_implementation="eager").eval()
    return Case(tiny, load(str(place)), stock)


def words(model: LoadedModel, text: str) -> list[int]:
    """Tokens of an answer by itself."""
    return list(model.tokenizer(text.strip(), add_special_tokens=False)["input_ids"])


def _read(case: Case, text: str, answer: Sequence[int]) -> tuple[dict[str, torch.Tensor], int]:
    """What the network reads to score an answer, and where the answer's first token is predicted."""
    ids = words(case.model, text)
    if case.tiny.auto == MASKED:
        at = ids.index(case.model.tokenizer.mask_token_id)
        return {"input_ids": torch.tensor([[*ids[:at], *[ids[at]] * len(answer), *ids[at + 1 :]]])}, at
    if case.tiny.auto == SEQ2SEQ:
        start = [case.stock.config.decoder_start_token_id]
        return {
            "input_ids": torch.tensor([ids]),
            "decoder_input_ids": torch.tensor([[*start, *answer[:-1]]]),
        }, 0
    ids = [case.stock.config.bos_token_id, *ids]
    return {"input_ids": torch.tensor([[*ids, *answer[:-1]]])}, len(ids) - 1


@torch.no_grad()
def run(
    case: Case, text: str, answer: Sequence[int], edit: Edit | None = None
) -> tuple[float, dict[tuple[str, int], torch.Tensor]]:
    """Log-probability of an answer, and the attention of the pass before it was edited."""
    read, first = _read(case, text, answer)
    watch = Softmaxes(case.place, edit)
    with watch:
        logits = (
            case.stock(**read, use_cache=False).logits
            if case.tiny.auto != MASKED
            else case.stock(**read).logits
        )
    scores = logits[0].double().log_softmax(-1)
    return sum(float(scores[first + step, token]) for step, token in enumerate(answer)), watch.seen


#: Of an answer's tokens: the edit of one text's pass.
Edits = Callable[[Sequence[int]], Edit | None]


def log_odds(case: Case, pair: Pair, text: str, edits: Edits | None = None) -> float:
    """``log p(c_1) − log p(c_2)`` of a text."""
    first, second = (words(case.model, each) for each in pair.completions or ())
    scores = [run(case, text, each, edits(each) if edits else None)[0] for each in (first, second)]
    return scores[0] - scores[1]


def lent(case: Case, donor: str, places: Sequence[Head], rows: dict[str, Sequence[int]]) -> Edits:
    """Heads read rows of their stream along the donor's attention."""

    def of(answer: Sequence[int]) -> Edit:
        _, theirs = run(case, donor, answer)

        def edit(stream: str, layer: int, weights: torch.Tensor) -> None:
            for _, _, head in (p for p in places if p[:2] == (stream, layer)):
                for row in rows[stream]:
                    weights[:, head, row] = theirs[stream, layer][:, head, row]

        return edit

    return of


def one_by_one(
    case: Case, pair: Pair, places: Sequence[Head], rows: dict[str, Sequence[int]]
) -> tuple[float, float]:
    """NIE and NDE of heads exchanged together, both directions, as methods 5 defines them."""
    a, b = pair.a.text, pair.b.text
    y_a, y_b = (log_odds(case, pair, text) for text in (a, b))
    forward = log_odds(case, pair, b, lent(case, a, places, rows)) - y_b
    nde = log_odds(case, pair, a, lent(case, b, places, rows)) - y_b
    return (forward + (y_a - y_b) - nde) / 2, nde


#: Stream, layer, head, row.
Row = tuple[str, int, int, int]


def _new_row(kind: Kind, own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """What takes the place of a row of one text; masked tokens have the weight 0 in every head."""
    if kind == "uniform":
        return (own > 0) / (own > 0).sum(-1, keepdim=True)
    return (own + other) / 2 if kind == "arms-mean" else torch.zeros_like(own)


def edited_together(case: Case, pair: Pair, rows: Sequence[Row], kind: Kind) -> list[float]:
    """``y`` of both arms, both edited at once: the arms' mean of a layer is that of the edited texts."""
    return [_edited(case, pair, side, rows, kind) for side in (0, 1)]


def _edited(case: Case, pair: Pair, side: int, rows: Sequence[Row], kind: Kind) -> float:
    texts = (pair.a.text, pair.b.text)

    def edits(answer: Sequence[int]) -> Edit:
        # One attention call after the other: the other text must have been edited up to there.
        known: list[dict[tuple[str, int], torch.Tensor]] = [{}, {}]
        order = list(dict.fromkeys(run(case, texts[0], answer)[1]))

        def edit_of(at: int) -> Edit:
            def edit(stream: str, layer: int, weights: torch.Tensor) -> None:
                known[at][stream, layer] = weights.clone()
                for _, _, head, row in (r for r in rows if r[:2] == (stream, layer)):
                    own = known[at][stream, layer][:, head, row]
                    other = known[1 - at].get((stream, layer), known[at][stream, layer])[:, head, row]
                    weights[:, head, row] = _new_row(kind, own, other)

            return edit

        for _ in order if kind == "arms-mean" else ():
            for at in (0, 1):
                run(case, texts[at], answer, edit_of(at))
        return edit_of(side)

    return log_odds(case, pair, texts[side], edits)


def perplexity(case: Case, texts: Sequence[str], heads: Sequence[tuple[int, int]], kind: Kind) -> float:
    """Perplexity per token with heads edited at every token."""
    total, count = 0.0, 0
    for text in texts:
        ids = words(case.model, text)

        def edit(_: str, layer: int, weights: torch.Tensor) -> None:
            for _, head in (place for place in heads if place[0] == layer):
                weights[:, head] = _new_row(kind, weights[:, head], weights[:, head])

        total += run(case, "", ids, edit)[0]
        count += len(ids)
    return math.exp(-total / count)


_TEXTS = {
    MASKED: "the nurse asked the doctor a question . {} said that the " + MASK + " met",
    SEQ2SEQ: "the nurse asked the doctor a question . {} said that the",
}


def pair(
    case: Case, name: str = "p", completions: tuple[str, str] = (" doctor", " nurse"), template: str = ""
) -> Pair:
    """``the nurse asked the doctor a question . She said that the``, with a mask where it is to be filled."""
    template = template or _TEXTS.get(case.tiny.auto, _TEXTS[SEQ2SEQ])
    texts = []
    for arm, group, word in (("she", "female", "She"), ("he", "male", "He")):
        text = template.format(word)
        spans = {
            role: (text.index(said), text.index(said) + len(said))
            for role, said in ((PRONOUN, word), (CANDIDATE_1, "nurse"), (CANDIDATE_2, "doctor"))
            if said in text
        }
        texts.append(Text(arm, group, text, (spans[PRONOUN],), spans))
    where = ("s", name, "gender", "treatment", None, "t", "nurse/doctor", 0, True)
    return Pair(*where, *texts, completions, None, "s.yaml", 1)


def row_of(case: Case, text: str, word: str) -> int:
    """Which token of a text a word is."""
    ids = words(case.model, text)
    extra = 1 if case.model.bos is not None else 0
    return ids.index(words(case.model, word)[0]) + extra
