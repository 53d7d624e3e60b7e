"""Tiny random models that answer: masked models, classifiers, readers of contexts, translators."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from tokenizers.implementations import ByteLevelBPETokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from audit.config import RunConfig
from audit.pairs import CANDIDATE_1, CANDIDATE_2, PRONOUN, Pair, Text
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from audit.suite import Task
from probes.model import Family, Head, LoadedModel
from probes.routing import open_attention
from tests.probes.families import BART, BLOCKS, GPT, T5

WORDS = "who Who met left ? . , the The nurse doctor pilot she he She He said that was kind cruel early late"
SPECIAL = ["<pad>", "[CLS]", "[SEP]", "[MASK]", "<unk>"]
LABELS = {"id2label": {0: "NEGATIVE", 1: "neutral", 2: "POSITIVE"}}
SENTENCES = [
    "The nurse met the doctor. She said that the pilot was kind.",
    "Who left? The doctor met the nurse, he said.",
    "The pilot was cruel, early, late: it was she, it was he.",
]


def bert_tokenizer(*, types: bool = True) -> PreTrainedTokenizerFast:
    """Words and two pieces; ``[CLS] … [SEP]`` and token types."""
    words = {word: n for n, word in enumerate([*SPECIAL, *dict.fromkeys(WORDS.split()), "pil", "##ots"])}
    inner = Tokenizer(models.WordPiece(words, unk_token="<unk>", max_input_chars_per_word=50))
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    names = {"pad_token": "<pad>", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token="<unk>",
        model_input_names=["input_ids", *(["token_type_ids"] if types else []), "attention_mask"],
        **names,
    )


def roberta_tokenizer(*, swallows: bool = True) -> PreTrainedTokenizerFast:
    """Bytes; ``<s> … </s></s> … </s>``, and a mask that swallows the space before it or leaves it alone."""
    trained = ByteLevelBPETokenizer()
    mask = transformers.AddedToken("<mask>", lstrip=swallows, special=True)
    special = ["<s>", "<pad>", "</s>", "<unk>", mask]
    trained.train_from_iterator(
        SENTENCES, vocab_size=1000, min_frequency=1, special_tokens=special, show_progress=False
    )
    inner = trained._tokenizer
    inner.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", pad_token="<pad>", mask_token=mask, **names
    )


def _net(name: str, settings: dict[str, Any], seed: int = 0, scale: float = 6.0) -> PreTrainedModel:
    config_name = name.split("For")[0] + "Config"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = getattr(transformers, config_name)(**settings, attn_implementation="eager")
        net: PreTrainedModel = getattr(transformers, name)(config).eval()
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim > 1:
                weight.mul_(scale)
    return net


def answering(name: str, head: Head, **more: Any) -> LoadedModel:
    """A model by its class's name, such as ``BertForMaskedLM``."""
    byte_level = name.startswith(("Roberta", "Bart"))
    tokenizer = roberta_tokenizer() if byte_level else bert_tokenizer(types=name.startswith("Bert"))
    family: Family = "encoder"
    settings: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    settings |= {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}
    scale = 6.0
    if name.startswith(("GPT2", "Llama")):
        family = "decoder"
        settings |= GPT if name.startswith("GPT2") else {**BLOCKS, "num_key_value_heads": 2}
    elif name.startswith(("Bart", "T5")):
        family = "encoder-decoder"
        settings |= BART if name.startswith("Bart") else {**T5}
        scale = 6.0 if name.startswith("Bart") else 1.0
    else:
        settings |= {**BLOCKS, "max_position_embeddings": 80, "type_vocab_size": 2}
    net = _net(name, settings | more, scale=scale)
    open_attention(net)
    return LoadedModel(f"tiny-{name}", net, tokenizer, family, {}, head)


def pair(
    task: Task,
    text: str,
    completions: tuple[str, str] | None = None,
    arms: tuple[str, str] = ("She", "He"),
    name: str = "p",
) -> Pair:
    """A pair of which ``{}`` is the arms' word."""
    texts = []
    for arm, group, word in zip(("she", "he"), ("female", "male"), arms, strict=True):
        start = text.index("{}")
        whole = text.replace("{}", word)
        spans = {PRONOUN: (start, start + len(word))}
        for candidate, noun in ((CANDIDATE_1, "nurse"), (CANDIDATE_2, "doctor")):
            if noun in whole:
                spans[candidate] = (whole.index(noun), whole.index(noun) + len(noun))
        texts.append(Text(arm, group, whole, (spans[PRONOUN],), spans))
    return Pair(
        "tiny",
        name,
        "gender",
        "treatment",
        None,
        "t",
        "i",
        0,
        True,
        *texts,
        completions,
        None,
        "t.yaml",
        1,
        task=task,
    )


@cache
def model(name: str) -> LoadedModel:
    heads: dict[str, Any] = {
        "MaskedLM": "masked-lm",
        "SequenceClassification": "sequence-classification",
        "QuestionAnswering": "question-answering",
        "ConditionalGeneration": "seq2seq-lm",
    }
    head = next(head for ending, head in heads.items() if name.endswith(ending))
    return answering(name, head, **(LABELS if head == "sequence-classification" else {}))


def measured(probe: Any, loaded: LoadedModel, *pairs: Pair) -> dict[tuple[str, str, str], OutputRecord]:
    """``(pair, arm, measure)`` → record."""
    records = probe.measure(loaded, pairs, RunConfig(), HeadChoice())
    return {(record.pair_id, record.arm, record.measure): record for record in records}


@torch.no_grad()
def stock(loaded: LoadedModel, *parts: str, **more: Any) -> Any:
    """The stock network's output for one text, as its tokenizer encodes it."""
    found = loaded.tokenizer(*parts, return_tensors="pt")
    accepted = {"input_ids", "attention_mask", *(() if loaded.family == "decoder" else ("token_type_ids",))}
    if "bert" not in loaded.name.lower() or "roberta" in loaded.name.lower():
        accepted -= {"token_type_ids"}
    return loaded.net(**{name: value for name, value in found.items() if name in accepted}, **more)


def log_probability(loaded: LoadedModel, ids: Sequence[int], place: int, token: int) -> float:
    with torch.no_grad():
        logits = loaded.net(input_ids=torch.tensor([list(ids)])).logits[0, place]
    return float(logits.log_softmax(-1)[token])
