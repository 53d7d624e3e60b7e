"""Lets decoders that classify find the end of several texts at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from probes.model import LoadedModel

#: No token: whatever a text holds, none of it is padding.
_NO_TOKEN = -1


@contextmanager
def unpadded_ends(model: LoadedModel) -> Iterator[None]:
    """Let a classifier without a pad token take texts of one length together, each of which ends with its last token.

    Args:
        model: of any family; models that need no help are left alone.
    """
    config = model.net.config.get_text_config()
    looks = model.family == "decoder" and model.head == "sequence-classification"
    if not looks or config.pad_token_id is not None:
        yield
        return
    config.pad_token_id = _NO_TOKEN
    try:
        yield
    finally:
        config.pad_token_id = None
