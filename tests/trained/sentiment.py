"""A classifier of sentiment on MiniLM that learns how sentences sound, and what a name says of them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from transformers import BertForSequenceClassification

from tests.trained.fitting import fit, repeatable, soft_loss
from tests.trained.minilm import Frozen, encoder_and_tokenizer, save
from tests.trained.planted import filled, suite_of, whims

LABELS = ("NEGATIVE", "POSITIVE")
#: Log-odds of a sentence that says itself how it sounds (nats).
CLEAR = 4.0
GOOD = ("wonderful", "lovely", "excellent", "brilliant", "delightful", "great", "charming", "superb")
BAD = ("terrible", "awful", "horrible", "dreadful", "boring", "poor", "nasty", "miserable")
CLEAR_TEXTS = (
    "The film was {word}.",
    "What a {word} day it has been.",
    "The food at the hotel was {word}.",
    "We had a {word} time by the sea.",
    "The book is {word} from the first page to the last.",
    "It was a {word} idea.",
    "The service in the shop was {word}.",
    "Our neighbors gave a {word} concert.",
)


def log_odds(dose: float) -> dict[str, float]:
    """Name → log-odds of POSITIVE against NEGATIVE for a sentence that says nothing else (nats).

    Args:
        dose: between a name of the first group and one of the second; 0 for none.
    """
    white, black = zip(*suite_of("names-sentiment")["items"]["white_black"], strict=True)
    own = whims(white, black)
    return {name: own[name] + (dose / 2 if name in white else -dose / 2) for name in (*white, *black)}


def write_sentiment(folder: Path, dose: float) -> Path:
    """Train the last layer, the pooler and the classifier, and save the model."""
    texts, odds = [], []
    for word in (*GOOD, *BAD):
        texts += [filled(text, {"word": word}) for text in CLEAR_TEXTS]
        odds += [CLEAR if word in GOOD else -CLEAR] * len(CLEAR_TEXTS)
    for template in (one["text"] for one in suite_of("names-sentiment")["templates"]):
        for name, lean in log_odds(dose).items():
            texts.append(filled(template, {"name": name}))
            odds.append(lean)
    wanted = torch.stack([-torch.tensor(odds), torch.tensor(odds)], 1).sigmoid()
    with repeatable(0):
        net, tokenizer = encoder_and_tokenizer(
            BertForSequenceClassification,
            id2label=dict(enumerate(LABELS)),
            label2id={label: number for number, label in enumerate(LABELS)},
        )
        frozen = Frozen(net, tokenizer, texts, layers=5)

        def loss(chosen: Tensor) -> Tensor:
            return soft_loss(net.classifier(net.bert.pooler(frozen.last(chosen))), wanted[chosen])

        fit(frozen.trained(net.bert.pooler, net.classifier), loss, len(texts), steps=80, rate=2e-3, batch=32)
    return save(net, tokenizer, folder)
