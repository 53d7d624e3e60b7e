"""Pairs as a chat model sees them: each text is what the user says, and the model's turn follows."""

from __future__ import annotations

from dataclasses import replace

from audit.errors import MeasurementError
from audit.pairs import Pair, Span, Text
from audit.protocols import Model


def in_chat(pair: Pair, model: Model) -> Pair:
    """Lay both texts of a pair into the model's chat template; spans move with them.

    A reply begins a line, so completions lose their leading space.

    Args:
        pair: as the suite writes it.
        model: with a chat template.
    Returns:
        The pair as it is measured: text, swap and mentions count from the template's first character.
    Raises:
        ModelError: the model has no chat template.
        MeasurementError: the template does not hold the text as it is.
    """
    a, b = (_in_chat(text, model, pair) for text in (pair.a, pair.b))
    completions = None
    if pair.completions is not None:
        completions = (pair.completions[0].lstrip(" "), pair.completions[1].lstrip(" "))
    return replace(pair, a=a, b=b, completions=completions)


def _in_chat(text: Text, model: Model, pair: Pair) -> Text:
    rendered = model.chat(text.text)
    if rendered.count(text.text) != 1:
        raise MeasurementError(
            f"{pair.suite}: pair {pair.pair_id}: the chat template does not hold the text as it is, once"
        )
    shift = rendered.index(text.text)

    def moved(span: Span) -> Span:
        return (span[0] + shift, span[1] + shift)

    mentions = {name: moved(span) for name, span in text.mentions.items()}
    return replace(text, text=rendered, swap=tuple(map(moved, text.swap)), mentions=mentions)
