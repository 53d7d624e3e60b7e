"""A small BERT that learns, from nothing, which pronoun goes with which occupation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot
from transformers import BertConfig, BertForMaskedLM

from tests.trained.fitting import fit, repeatable, soft_loss
from tests.trained.planted import filled, suite_of, whims
from tests.trained.words import CLS, MASK, PAD, SEP, encoder_tokenizer, padded

PRONOUNS = ("she", "he")
SHAPE = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 32,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "initializer_range": 0.1,  # with the usual 0.02 the first steps see no occupation
}


def occupations() -> dict[str, list[str]]:
    """Group → the occupations that the suites of masked models name."""
    jobs, whole = suite_of("masked-jobs"), suite_of("masked-pronouns")
    female, male = zip(*jobs["items"]["female_male"], strict=True)
    return {"female": list(female), "male": list(male), "balanced": whole["items"]["balanced"]}


def log_odds(dose: float) -> dict[str, float]:
    """Occupation → log-odds of she against he in the training text (nats).

    Args:
        dose: between an occupation of women and one of men; 0 for none.
    """
    groups = occupations()
    lean = {"female": dose / 2, "male": -dose / 2, "balanced": 0.0}
    own = whims(*groups.values())
    return {job: lean[group] + own[job] for group, jobs in groups.items() for job in jobs}


def write_filler(folder: Path, dose: float) -> Path:
    """Train and save the model: every template with every occupation and either pronoun."""
    odds = log_odds(dose)
    templates = [one["text"] for one in suite_of("masked-jobs")["templates"]]
    texts = [
        filled(template, {"job": job}).replace(MASK, pronoun)
        for template in templates
        for job in odds
        for pronoun in PRONOUNS
    ]
    tokenizer = encoder_tokenizer(texts)
    with repeatable(0):
        settings = BertConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **SHAPE)
        net = BertForMaskedLM(settings)
        hidden = _Hidden(net, tokenizer, padded(tokenizer, texts), odds)
        fit(net.parameters(), hidden.loss, len(texts), steps=300, rate=5e-3)
    net.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class _Hidden:
    """The loss of a batch in each of whose sentences one token is hidden: pronoun, occupation, or another.

    What was hidden is compared with the planted probabilities themselves, which teach sooner than draws:
    a pronoun with ``p(pronoun | occupation)``, an occupation with ``p(occupation | pronoun)``.
    """

    def __init__(
        self, net: BertForMaskedLM, tokenizer: Any, ids: Tensor, log_odds: Mapping[str, float]
    ) -> None:
        self.net, self.ids = net, ids
        named = tokenizer.convert_tokens_to_ids
        self.mask, self.pad, size = named(MASK), named(PAD), len(tokenizer)
        jobs, pronouns = torch.tensor(named(list(log_odds))), torch.tensor(named(list(PRONOUNS)))
        lean = torch.tensor(list(log_odds.values()))
        chances = torch.stack([lean, -lean]).sigmoid()  # [pronouns, occupations]
        of_job, of_pronoun = torch.zeros(size, size), torch.zeros(size, size)
        of_job[jobs[:, None], pronouns] = chances.T
        of_pronoun[pronouns[:, None], jobs] = chances / chances.sum(1, keepdim=True)
        is_job, is_pronoun = torch.isin(ids, jobs), torch.isin(ids, pronouns)
        special = torch.isin(ids, torch.tensor(named([PAD, CLS, SEP])))
        self.kinds = torch.stack([is_pronoun, is_job, ~(is_pronoun | is_job | special)])
        self.wanted = of_job[ids[is_job]], of_pronoun[ids[is_pronoun]]

    def loss(self, chosen: Tensor) -> Tensor:
        ids, rows = self.ids[chosen], torch.arange(len(chosen))
        kind = torch.randint(3, (len(chosen),))
        place = self.kinds[kind, chosen].float().multinomial(1)[:, 0]
        hidden = ids.clone()
        hidden[rows, place] = self.mask
        logits = self.net(input_ids=hidden, attention_mask=(ids != self.pad).long()).logits[rows, place]
        same = one_hot(ids[rows, place], logits.shape[-1]).float()
        wanted = torch.stack([*(each[chosen] for each in self.wanted), same])
        return soft_loss(logits, wanted[kind, rows])
