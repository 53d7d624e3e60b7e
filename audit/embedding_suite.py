"""What a suite asks about a model's embeddings: association tests and projections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from audit.config import Name, Settings

#: The layer of the static input embeddings, and that of the last block.
INPUT, LAST = "input", "last"
_LAYER = Field(description=f"{INPUT}, {LAST}, or a block's number from 0")


def _known_layer(layer: int | str) -> int | str:
    if layer in (INPUT, LAST) or (isinstance(layer, int) and layer >= 0):
        return layer
    raise ValueError(f"unknown layer {layer!r}; expected {INPUT}, {LAST} or a block's number from 0")


def _with_a_word(sentence: str) -> str:
    if sentence.count("{word}") != 1:
        raise ValueError("'{word}' must stand in the sentence once")
    return sentence


def _two_sets(sets: dict[str, Any]) -> dict[str, Any]:
    if len(sets) != 2:
        raise ValueError(f"{len(sets)} sets of words; expected two, each with its name")
    return sets


def _two_words(pair: tuple[str, ...]) -> tuple[str, ...]:
    if len(pair) != 2:
        raise ValueError(f"not a pair of words (got {len(pair)}); expected two such as [she, he]")
    return pair


def _at_least(fewest: int) -> tuple[AfterValidator, Any]:
    """A length that is checked when the members are right; pydantic's own would tell one fault twice."""

    def check(members: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(members) < fewest:
            raise ValueError(f"too few (got {len(members)}); expected at least {fewest}")
        return members

    return AfterValidator(check), Field(json_schema_extra={"minItems": fewest})


Layer = Annotated[int | str, AfterValidator(_known_layer), _LAYER]
Layers = Annotated[tuple[Layer, ...], *_at_least(1)]
Sentence = Annotated[Name, AfterValidator(_with_a_word)]
#: Words that stand for one thing, such as career: at least two, or the standard deviation has no meaning.
WordSet = Annotated[tuple[Name, ...], *_at_least(2)]
WordSets = Annotated[dict[Name, WordSet], AfterValidator(_two_sets)]
Sentences = Annotated[tuple[Sentence, ...], *_at_least(1)]
Poles = Annotated[tuple[Name, ...], AfterValidator(_two_words)]


class Association(Settings):
    """A word embedding association test (WEAT; in sentences SEAT): is X nearer to A than Y is?

    Args:
        targets: X and Y; attributes: A and B, each a name and its words. The stereotype ties X to A.
        layers: where the words are read: ``input`` is the table of input embeddings, a number the output of
            that block (from 0), ``last`` that of the last one after the final norm.
        sentences: what words are read in where a layer is not ``input``, the mean over all of them (May et
            al. 2019 use several such sentences); ``{word}`` is the word and ``{a}`` its article.
    """

    id: Name = Field(description="a name for the association")
    targets: WordSets = Field(description="two sets of words")
    attributes: WordSets = Field(description="two sets of words")
    layers: Layers = (INPUT,)
    sentences: Sentences = ("This is {word}.",)

    @property
    def words(self) -> tuple[str, ...]:
        """All words, each once."""
        sets = (*self.targets.values(), *self.attributes.values())
        return tuple(dict.fromkeys(word for words in sets for word in words))


class ListedWords(Settings):
    """The words of one of the suite's lists."""

    list: Name = Field(description="the name of a list")


class Projection(Settings):
    """Words projected on the direction of pairs, compared with a number that the list tells of each word.

    Args:
        direction: pairs such as (she, he); positive is nearer to the first.
        words: what is projected.
        against: the attribute of the list's entries, such as ``female_share``.
        layers, sentences: as for associations.
    """

    id: Name = Field(description="a name for the projection")
    direction: Annotated[tuple[Poles, ...], *_at_least(1)] = Field(
        description="pairs of words such as [she, he]"
    )
    words: ListedWords = Field(description="such as {list: occupation}")
    against: Name = Field(description="an attribute of the list's entries, such as female_share")
    layers: Layers = (INPUT,)
    sentences: Sentences = ("This is {word}.",)


def sentence_of(sentence: str, word: str) -> tuple[str, tuple[int, int]]:
    """Put a word into a sentence; ``{a}`` becomes the article that goes with it.

    >>> sentence_of("This is {a} {word}.", "engineer")
    ('This is an engineer.', (11, 19))

    Args:
        sentence: with ``{word}`` once.
        word: the word.
    Returns:
        The text, and the word's characters in it.
    """
    article = "an" if word[:1].casefold() in "aeiou" else "a"
    before, after = (part.replace("{a}", article) for part in sentence.split("{word}"))
    return f"{before}{word}{after}", (len(before), len(before) + len(word))


def surveys_asked(associations: Sequence[Association], projections: Sequence[Projection]) -> int:
    """How many measurements a suite asks for: one for each association or projection and layer."""
    tests: tuple[Association | Projection, ...] = (*associations, *projections)
    return sum(len(one.layers) for one in tests)
