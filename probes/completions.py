"""The tokens of a completion, as they follow its prompt."""

from __future__ import annotations

from audit.errors import MeasurementError
from probes.model import LoadedModel


def completion_ids(model: LoadedModel, text: str, completion: str) -> tuple[int, ...]:
    """Token ids that the completion adds to the prompt; what an encoder–decoder answers to it.

    Raises:
        MeasurementError: the tokenizer merges prompt and completion, so that no boundary exists, or
            makes no token of the answer.
    """
    if model.family == "encoder-decoder":
        return _target_ids(model, completion)
    prompt, joined = model.encode(text).ids, model.encode(text + completion).ids
    if joined[: len(prompt)] != prompt or len(joined) == len(prompt):
        raise MeasurementError(
            f"completion {completion!r} merges with the end of {text!r}; give it a leading space"
        )
    return joined[len(prompt) :]


def _target_ids(model: LoadedModel, completion: str) -> tuple[int, ...]:
    """An answer stands alone, without the space that would join it to the text."""
    found = model.tokenizer(text_target=completion.strip(), add_special_tokens=False)["input_ids"]
    if not found:
        raise MeasurementError(f"the tokenizer makes no token of the answer {completion!r}")
    return tuple(int(token) for token in found)
