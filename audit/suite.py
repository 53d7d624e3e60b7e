"""A suite as its author writes it: the model of ``suites/*.yaml``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from audit.config import Name, Settings
from audit.embedding_suite import Association, Projection

Task = Literal[
    "sentence",
    "completion",
    "coreference",
    "generation",
    "masked",
    "classification",
    "question-answering",
    "translation",
    "embedding",
]
#: What a model must compute from its last hidden states to be asked a task; the other tasks say what they miss.
NEEDED_HEADS: dict[Task, str] = {
    "masked": "masked-lm",
    "classification": "sequence-classification",
    "question-answering": "question-answering",
    "translation": "seq2seq-lm",
}
Row = Annotated[int, Field(ge=0)]
Design = Literal["latin_square", "all"]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _as_entry(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _as_item(value: Any) -> Any:
    if isinstance(value, str):
        return {"members": [value]}
    return {"members": value} if isinstance(value, list) else value


def _as_neutral_arm(value: Any) -> Any:
    return {"id": value, "group": "neutral", "value": value} if isinstance(value, str) else value


def _as_template(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


class Entry(BaseModel):
    """A word of a list, with attributes of the author's choice (female_share, source, …)."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, str | int | float | bool]

    name: Name = Field(description="the word itself")


class Item(Settings):
    """What fills a template: nouns, names or phrases; the slots ``{list.1}``, ``{list.2}`` take them."""

    members: tuple[Name, ...] = Field(min_length=1)
    id: Name | None = None


class Arm(Settings):
    """One value of the protected attribute in the text.

    Args:
        group: what the arm stands for.
        slots: slot → what the arm writes there; may itself hold item slots (``{occupation.1}``).
        value: what the arm writes into the one slot of the template that nothing else fills.
        stereotypical: whether this arm's texts are the ones that say the stereotype, as in CrowS-Pairs;
            such an arm is the suite's first.
    """

    id: Name = Field(description="a name for the arm, such as she")
    group: Name = Field(description="what the arm stands for, such as female")
    slots: dict[str, str] = {}
    value: str | None = None
    stereotypical: bool = False


NeutralArm = Annotated[Arm, BeforeValidator(_as_neutral_arm, json_schema_input_type=Arm | str)]
ListEntry = Annotated[Entry, BeforeValidator(_as_entry, json_schema_input_type=Entry | str)]
ListItem = Annotated[Item, BeforeValidator(_as_item, json_schema_input_type=Item | list[str] | str)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_as_list, json_schema_input_type=list[str] | str)]


class Pick(Settings):
    """Which items fill a template.

    Args:
        items: names of item lists; several are joined.
        per_template: items a template gets in a Latin square.
        design: ``latin_square`` gives every item to equally many templates; ``all`` to all.
        both_orders: each pair also with the item's two members exchanged in the text.
    """

    items: Names = Field(min_length=1, description="the name of a list of items")
    per_template: int | None = Field(None, ge=1)
    design: Design = "all"
    both_orders: bool = False

    @model_validator(mode="after")
    def _needs_a_number(self) -> Pick:
        if (self.design == "latin_square") != (self.per_template is not None):
            raise ValueError(
                "'per_template' and 'design: latin_square' belong together; expected both or none"
            )
        return self


class Mentions(Settings):
    """Named spans of a template's text, each written as the template writes it."""

    pronoun: Name | None = None
    candidates: Annotated[tuple[Name, ...], Field(min_length=2, max_length=2)] | None = None
    occupation: Name | None = None
    participant: Name | None = None
    other: dict[str, Name] = {}


class WrittenMentions(Settings):
    """Named spans of a pair's texts: a word for each arm, in the order of the arms, or one for all."""

    pronoun: Names = ()
    candidates: Annotated[tuple[Name, ...], Field(min_length=2, max_length=2)] | None = None
    occupation: Names = ()
    participant: Names = ()
    other: dict[str, Names] = {}


class Completion(Settings):
    """What a continuation stands for: a reading of the pronoun, or an arm."""

    reads_pronoun_as: Name | None = Field(None, description="one of the mentioned candidates")
    tied_to: Name | None = Field(None, description="an arm")

    @model_validator(mode="after")
    def _means_one_thing(self) -> Completion:
        if (self.reads_pronoun_as is None) == (self.tied_to is None):
            raise ValueError("a completion stands for one thing; expected 'reads_pronoun_as' or 'tied_to'")
        return self


class Template(Settings):
    """A text with slots.

    Args:
        arms: arms for this template instead of the suite's.
        pick: the items that fill it.
        stereotype: arm → the candidate that it is stereotypically tied to.
        completions: continuation (with its leading space) → what it stands for.
    """

    id: Name = Field(description="a name for the template")
    text: Name = Field(description="the text, with slots in braces")
    arms: tuple[Arm, ...] | None = None
    pick: Pick | None = None
    mentions: Mentions = Mentions()
    stereotype: dict[str, Name] = {}
    completions: dict[str, Completion] = {}


class ControlText(Settings):
    """A text with slots of a control block."""

    id: Name | None = None
    text: Name = Field(description="the text, with slots in braces")
    mentions: Mentions = Mentions()


ControlTemplate = Annotated[
    ControlText, BeforeValidator(_as_template, json_schema_input_type=ControlText | str)
]


class Control(Settings):
    """Pairs in which no direction is expected.

    Without texts of its own the block takes the templates that pick candidates (or those named in
    ``reuse``), with its items and the suite's arms. With texts of its own it swaps its arms in them.
    What is left out of ``per_template``, ``design`` and ``both_orders`` is taken from the template.
    """

    id: Name = Field(description="a name for the control")
    items: Names = ()
    per_template: int | None = Field(None, ge=1)
    design: Design | None = None
    both_orders: bool | None = None
    reuse: Names = ()
    arms: tuple[NeutralArm, ...] | None = None
    template: Name | None = None
    templates: tuple[ControlTemplate, ...] = ()

    @model_validator(mode="after")
    def _has_texts_or_items(self) -> Control:
        own = bool(self.template or self.templates)
        if self.template and self.templates:
            raise ValueError("both 'template' and 'templates' are given; expected one of them")
        if not own and not self.items:
            raise ValueError("the control has neither items nor templates; expected one of them")
        if own and self.reuse:
            raise ValueError("'reuse' is given beside templates of its own; expected one of them")
        if not own and self.arms:
            raise ValueError(
                "'arms' is given without templates of its own; expected 'template' or 'templates'"
            )
        return self

    @property
    def texts(self) -> tuple[ControlText, ...]:
        """The block's own templates."""
        return (ControlText(text=self.template),) if self.template else self.templates


class WrittenPair(BaseModel):
    """A pair written out: beside the keys below, one key for each arm with its text.

    Args:
        cluster, item, order: the random factors that it belongs to; by default a template of its own
            and its candidates (the same in either order).
        control: name of the control block, when it is a control.
        source_row: its row in a public data set's own file, from 0; or arm → row, where each text has
            a row of its own.
        axis: the protected attribute, where it is another than the suite's.
        referents: the two persons that the pronoun may stand for; by default the candidates.
        gold: the one of them that it does stand for.
        attributes: what the data set says of the pair (a share of women, a label of its authors, …).
    """

    model_config = ConfigDict(
        frozen=True, extra="allow", json_schema_extra={"additionalProperties": {"type": "string"}}
    )

    id: Name = Field(description="a name for the pair")
    mentions: WrittenMentions = WrittenMentions()
    stereotype: dict[str, Name] = {}
    completions: dict[str, Completion] = {}
    cluster: Name | None = None
    item: Name | None = None
    order: Literal[0, 1] = 0
    control: Name | None = None
    source_row: Row | dict[str, Row] | None = None
    axis: Name | None = None
    referents: Annotated[tuple[Name, ...], Field(min_length=2, max_length=2)] | None = None
    gold: Name | None = None
    attributes: dict[str, str | int | float | bool] = {}

    @property
    def texts(self) -> dict[str, str]:
        """Arm → text."""
        return {arm: text for arm, text in self.further.items() if isinstance(text, str)}

    @property
    def further(self) -> dict[str, Any]:
        """All further keys with their values: the arms' texts, if nothing is wrong."""
        return dict(self.__pydantic_extra__ or {})


class Suite(Settings):
    """A suite of minimal pairs, and of tests of embeddings, for one protected attribute."""

    suite: Name = Field(description="the suite's name")
    version: int = Field(ge=1, description="a whole number from 1")
    axis: Name = Field(description="the protected attribute, such as gender")
    task: Task = Field(description="what the model is asked to do, such as coreference")
    description: str | None = None
    language: str = "en"
    prompt: Literal["plain", "chat"] = Field(
        "plain", description="chat lays each text into the model's chat template, as the user's turn"
    )
    license: str | None = None
    sources: Names = ()
    hazard: dict[str, str] = {}
    lists: dict[str, tuple[ListEntry, ...]] = {}
    items: dict[str, tuple[ListItem, ...]] = {}
    arms: tuple[Arm, ...] = ()
    templates: tuple[Template, ...] = ()
    controls: tuple[Control, ...] = ()
    pairs: tuple[WrittenPair, ...] = ()
    associations: tuple[Association, ...] = ()
    projections: tuple[Projection, ...] = ()
