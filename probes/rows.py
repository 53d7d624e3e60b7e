"""Which attention rows of a pair are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audit.align import Alignment, align
from audit.coreference import token_indices
from audit.pairs import CANDIDATE_1, CANDIDATE_2, PRONOUN, Pair, Text
from audit.protocols import Encoding
from audit.words import Word
from probes.model import LoadedModel
from probes.questions import mask_places

Tokens = tuple[int, ...]

_BOTH_WAYS = "an encoder looks both ways and has no row that predicts the next word"
_NO_WORD = "the model's head ({}) predicts no next word from one row"
_SPANS = "no single row predicts where an answer begins and ends"


@dataclass(frozen=True, slots=True)
class ReadText:
    """One text of a pair and the tokens that matter in it.

    Args:
        text: the text.
        encoding: its tokens.
        pronoun, first, second: tokens of the pronoun and of the two candidates; empty where the pair
            does not name them.
        predicting: the token whose row predicts the answer; None where no row of the stream does.
    """

    text: Text
    encoding: Encoding
    pronoun: Tokens
    first: Tokens
    second: Tokens
    predicting: int | None


@dataclass(frozen=True, slots=True)
class RowPlan:
    """The rows of one pair.

    Args:
        a, b: its texts.
        alignment: of their words.
        queries: what is compared between the texts, as groups of query tokens ``(a, b)``: in a decoder
            the swapped words, the words after them, and the last token; in an encoder, which looks both
            ways, all words.
    """

    a: ReadText
    b: ReadText
    alignment: Alignment
    queries: tuple[tuple[Tokens, Tokens], ...]

    def rows(self, side: int) -> Tokens:
        """All query tokens that must be captured in text a (0) or b (1), ascending."""
        read = (self.a, self.b)[side]
        compared = {token for query in self.queries for token in query[side]}
        predicting = () if read.predicting is None else (read.predicting,)
        return tuple(sorted({*compared, *read.pronoun, *predicting}))


def plan_rows(model: LoadedModel, pair: Pair) -> RowPlan:
    """Find the rows of a pair."""
    a, b = _read_text(model, pair.a), _read_text(model, pair.b)
    alignment = align(pair.a, a.encoding, pair.b, b.encoding)
    a, b = _same_candidates(a, b, alignment)
    decoder = model.family == "decoder"
    begins = [text.swap[0][0] if text.swap and decoder else 0 for text in (pair.a, pair.b)]
    queries = []
    for match in alignment.matches:
        words = alignment.words_a[match[0]], alignment.words_b[match[1]]
        behind = all(word.span[1] > begin for word, begin in zip(words, begins, strict=True))
        if not words[0].special and (behind or match in alignment.swapped):
            queries.append((words[0].tokens, words[1].tokens))
    last = ((len(a.encoding.ids) - 1,), (len(b.encoding.ids) - 1,))
    if decoder and last not in queries:
        queries.append(last)
    return RowPlan(a, b, alignment, tuple(queries))


def _read_text(model: LoadedModel, text: Text) -> ReadText:
    encoding = model.encode(text.text)
    pronoun, first, second = (
        token_indices(text.mentions[name], encoding) if name in text.mentions else ()
        for name in (PRONOUN, CANDIDATE_1, CANDIDATE_2)
    )
    return ReadText(text, encoding, pronoun, first, second, predicting_row(model, encoding.ids))


def _same_candidates(a: ReadText, b: ReadText, alignment: Alignment) -> tuple[ReadText, ReadText]:
    """Read the same characters as a candidate in both texts, where one text's tokens reach further."""
    first = _same(a, a.first, b, b.first, alignment)
    second = _same(a, a.second, b, b.second, alignment)
    return replace(a, first=first[0], second=second[0]), replace(b, first=first[1], second=second[1])


def _same(
    a: ReadText, tokens_a: Tokens, b: ReadText, tokens_b: Tokens, alignment: Alignment
) -> tuple[Tokens, Tokens]:
    if _spelled(a, tokens_a) == _spelled(b, tokens_b):
        return tokens_a, tokens_b
    return _whole(tokens_a, alignment.words_a), _whole(tokens_b, alignment.words_b)


def _spelled(read: ReadText, tokens: Tokens) -> str:
    """The characters that tokens cover, spaces apart."""
    spans = (read.encoding.offsets[token] for token in tokens)
    places = sorted({place for span in spans for place in range(*span)})
    return "".join(read.text.text[place] for place in places if not read.text.text[place].isspace())


def _whole(tokens: Tokens, words: Sequence[Word]) -> Tokens:
    """All tokens of the words that some of their tokens are of."""
    return tuple(sorted(token for word in words if {*tokens} & {*word.tokens} for token in word.tokens))


def predicting_row(model: LoadedModel, ids: Sequence[int]) -> int | None:
    """The token whose row predicts the answer; None where no row does.

    A decoder's last one (of a classifier the last that is no padding), a masked model's only mask, or the first
    one where an encoder classifies by it.
    """
    if model.family == "decoder":
        return None if model.head == "question-answering" else model.last_read(ids)
    if model.classifies_at_start:
        return 0
    masks = mask_places(model, ids) if model.head == "masked-lm" else []
    return masks[0] if len(masks) == 1 else None


def why_no_row(model: LoadedModel) -> str:
    """Why no row of a model's text predicts the answer."""
    if model.family == "encoder" or model.decodes:
        return _BOTH_WAYS
    return _SPANS if model.head == "question-answering" else _NO_WORD.format(model.head)
