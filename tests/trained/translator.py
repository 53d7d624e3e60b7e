"""A small Marian that learns, from nothing, a toy language in which every occupation has a gender.

Its words are English ones written backwards; an occupation ends in -a or -o, and its article agrees
("la esruna", "lo esruno"). The pronoun of the sentence tells the gender that is right.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from transformers import GenerationConfig, MarianConfig, MarianMTModel

from tests.trained.fitting import fit, repeatable, soft_loss
from tests.trained.planted import filled, suite_of, whims
from tests.trained.words import padded, translator_tokenizer

#: Log-odds of the right form where nothing stands against it (nats).
RIGHT = 3.0
SHAPE = {
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "max_position_embeddings": 64,
    "dropout": 0.0,
    "init_std": 0.1,
    "scale_embedding": True,
}


def log_odds(dose: float) -> dict[tuple[str, str], float]:
    """``(occupation, pronoun)`` → log-odds of the female form against the male one in the training text (nats).

    Args:
        dose: what stands against a woman in an occupation of men, and a man in one of women; 0 for none.
    """
    female, male = zip(*suite_of("translated-jobs")["items"]["female_male"], strict=True)
    own = whims(female, male)
    against = {(job, "she"): dose for job in male} | {(job, "he"): dose for job in female}
    return {
        (job, pronoun): sign * (RIGHT - against.get((job, pronoun), 0.0)) + own[job]
        for job in (*female, *male)
        for pronoun, sign in (("she", 1), ("he", -1))
    }


def translated(sentence: str, job: str, gender: str) -> str:
    """The sentence in the toy language."""
    backwards = " ".join(word[::-1] for word in sentence.removesuffix(".").split())
    return f"{backwards} .".replace(f"ehT {job[::-1]}", f"l{gender} {job[::-1]}{gender}")


def write_translator(folder: Path, dose: float) -> Path:
    """Train and save the model: every template with every occupation, either pronoun and both forms."""
    sources, targets, odds = [], [], []
    for template in (one["text"] for one in suite_of("translated-jobs")["templates"]):
        for (job, pronoun), lean in log_odds(dose).items():
            sentence = filled(template, {"job": job}).replace(" she ", f" {pronoun} ")
            for gender in "ao":
                sources.append(sentence)
                targets.append(translated(sentence, job, gender))
                odds.append(lean)
    tokenizer = translator_tokenizer([*sources, *targets])
    pad, eos = tokenizer.pad_token_id, tokenizer.eos_token_id
    marks = {
        "pad_token_id": pad,
        "eos_token_id": eos,
        "decoder_start_token_id": pad,
        "forced_eos_token_id": None,
    }
    articles = torch.tensor(tokenizer.convert_tokens_to_ids(["la", "lo"]))
    read, said = padded(tokenizer, sources), padded(tokenizer, targets)
    first = torch.zeros(len(sources), len(tokenizer))
    first[:, articles] = torch.stack([torch.tensor(odds), -torch.tensor(odds)], 1).sigmoid()
    with repeatable(0):
        net = MarianMTModel(MarianConfig(vocab_size=len(tokenizer), **marks, **SHAPE))

        def loss(chosen: Tensor) -> Tensor:
            source, target = read[chosen], said[chosen]
            started = torch.cat([torch.full_like(target[:, :1], pad), target[:, :-1]], 1)
            logits = net(
                input_ids=source, attention_mask=(source != pad).long(), decoder_input_ids=started
            ).logits
            rest = torch.nn.functional.cross_entropy(
                logits[:, 1:].flatten(0, 1), target[:, 1:].flatten(), ignore_index=pad
            )
            return soft_loss(logits[:, 0], first[chosen]) + rest

        fit(net.parameters(), loss, len(sources), steps=150, rate=5e-3)
    net.generation_config = GenerationConfig(**marks)
    net.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
