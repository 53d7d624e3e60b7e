"""The tokens of a completion, as they follow its prompt."""

from __future__ import annotations

from audit.errors import MeasurementError
from audit.protocols import Model


def completion_ids(model: Model, text: str, completion: str) -> tuple[int, ...]:
    """Token ids that the completion adds to the prompt.

    Raises:
        MeasurementError: the tokenizer merges prompt and completion, so that no boundary exists.
    """
    prompt, joined = model.encode(text).ids, model.encode(text + completion).ids
    if joined[: len(prompt)] != prompt or len(joined) == len(prompt):
        raise MeasurementError(
            f"completion {completion!r} merges with the end of {text!r}; give it a leading space"
        )
    return joined[len(prompt) :]
