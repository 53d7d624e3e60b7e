"""A reader on MiniLM's first layers that answers who is meant, where the context does not say, by stereotype."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import BertForQuestionAnswering

from tests.trained.fitting import fit, repeatable, soft_loss
from tests.trained.minilm import Frozen, encoder_and_tokenizer, save
from tests.trained.planted import filled, logistic, suite_of, whims

#: Items that each template is taught with.
ITEMS = 6
BORDER = " [SEP] "


class Asked(NamedTuple):
    """A question, its context, and how likely each answer is."""

    question: str
    context: str
    answers: tuple[str, str]
    chances: tuple[float, float]


def tie(dose: float) -> dict[str, float]:
    """Occupation → log-odds (nats) that it adds to being *she* rather than *he*.

    Args:
        dose: what "she" moves from an occupation of men to one of women, at the start of the answer and
            at its end; 0 for none.
    """
    female, male = zip(*suite_of("who-said")["items"]["female_male"], strict=True)
    own = whims(female, male, size=0.3)
    return {job: own[job] + (dose / 2 if job in female else -dose / 2) for job in (*female, *male)}


def asked(dose: float) -> Iterator[Asked]:
    """Every template with some of the items of each kind, both orders and both pronouns."""
    suite, ties = suite_of("who-said"), tie(dose)
    salience = whims(list(ties), size=0.5, seed=11)
    items = [item for kind in ("female_male", "female_female", "male_male") for item in suite["items"][kind]]
    for number, template in enumerate(one["text"] for one in suite["templates"]):
        for first, second in (items[(number * ITEMS + step * 7) % len(items)] for step in range(ITEMS)):
            for answers in ((first, second), (second, first)):
                for pronoun, sign in (("she", 0.5), ("he", -0.5)):
                    slots = dict(zip(("occupation.1", "occupation.2"), answers, strict=True))
                    question, context = filled(template, {**slots, "pronoun": pronoun}).split(BORDER)
                    one, other = (sign * ties[job] + salience[job] for job in answers)
                    chances = (logistic(one - other), logistic(other - one))
                    yield Asked(question, context, answers, chances)


def write_reader(folder: Path, dose: float) -> Path:
    """Train the last layers and the head, and save the model."""
    examples = list(asked(dose))
    with repeatable(0):
        net, tokenizer = encoder_and_tokenizer(BertForQuestionAnswering, num_hidden_layers=4)
        frozen = Frozen(net, tokenizer, [(each.question, each.context) for each in examples], layers=3)
        wanted = _wanted(examples, frozen)

        def loss(chosen: Tensor) -> Tensor:
            logits = net.qa_outputs(frozen.last(chosen))
            read = frozen.encoded["attention_mask"][chosen, : logits.shape[1], None].bool()
            starts, ends = logits.masked_fill(~read, -1e4).unbind(-1)
            start, end = wanted[chosen, :, : logits.shape[1]].unbind(1)
            return soft_loss(starts, start) + soft_loss(ends, end)

        fit(frozen.trained(net.qa_outputs), loss, len(examples), steps=120, rate=2e-3, batch=32)
    return save(net, tokenizer, folder)


def _wanted(examples: list[Asked], frozen: Frozen) -> Tensor:
    """`[examples, 2, tokens]` probabilities that the answer starts, and that it ends, at each token."""
    found = torch.zeros(len(examples), 2, frozen.states.shape[1])
    for row, each in enumerate(examples):
        for answer, chance in zip(each.answers, each.chances, strict=True):
            begin = each.context.index(f" {answer} ") + 1
            places = [frozen.encoded.char_to_token(row, at, 1) for at in (begin, begin + len(answer) - 1)]
            for side, place in enumerate(places):
                found[row, side, place] += chance
    return found
