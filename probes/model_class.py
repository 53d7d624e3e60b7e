"""Which of transformers' classes a checkpoint asks for."""

from __future__ import annotations

from typing import Any

import transformers
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from probes.model import Head

_TASKS: dict[str, tuple[Head, Any]] = {
    "ForSequenceClassification": ("sequence-classification", transformers.AutoModelForSequenceClassification),
    "ForTokenClassification": ("token-classification", transformers.AutoModelForTokenClassification),
    "ForQuestionAnswering": ("question-answering", transformers.AutoModelForQuestionAnswering),
}


def choose_class(config: Any) -> tuple[Head, Any]:
    """The head of a checkpoint and the automatic class that builds it.

    Args:
        config: the checkpoint's configuration; its ``architectures`` name the class that was saved.
    """
    architecture = (config.architectures or [""])[0]
    for ending, choice in _TASKS.items():
        if ending in architecture:
            return choice
    if config.is_encoder_decoder:
        return "seq2seq-lm", transformers.AutoModelForSeq2SeqLM
    masked = MODEL_FOR_MASKED_LM_MAPPING_NAMES.get(config.model_type)
    if architecture == masked:
        return "masked-lm", transformers.AutoModelForMaskedLM
    if masked is None or architecture == MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type):
        return "causal-lm", transformers.AutoModelForCausalLM
    # Pre-training heads hold a masked one; ELECTRA's tells real tokens from replaced ones instead.
    if architecture.endswith("ForPreTraining") and config.model_type != "electra":
        return "masked-lm", transformers.AutoModelForMaskedLM
    return "none", transformers.AutoModel
