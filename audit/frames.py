"""Templates made ready for filling: what treatments and controls have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from audit.pairs import Kind
from audit.references import control_templates, control_text_path
from audit.suite import Arm, Completion, Control, Item, Mentions, Suite
from audit.yaml_lines import DocumentPath


@dataclass(frozen=True, slots=True)
class Frame:
    """One template with everything that fills it.

    Args:
        path: where the template is written; text_path: where its text is; pick_path: where its items
            are chosen.
        name: beginning of its pairs' ids; cluster: id of the template.
        items: what may fill it; empty when it takes none.
        per_template: how many of them in a Latin square; None for all.
        place: its index among the templates of the same square.
    """

    path: DocumentPath
    text_path: DocumentPath
    pick_path: DocumentPath
    name: str
    cluster: str
    kind: Kind
    control: str | None
    text: str
    arms: tuple[Arm, ...]
    mentions: Mentions
    stereotype: Mapping[str, str]
    completions: Mapping[str, Completion]
    items: tuple[Item, ...] = ()
    per_template: int | None = None
    both_orders: bool = False
    place: int = 0

    @property
    def square(self) -> tuple[object, ...]:
        """What templates of the same Latin square have in common."""
        return (self.control, self.items, self.per_template, tuple(arm.id for arm in self.arms))


def frames(suite: Suite) -> tuple[Frame, ...]:
    """All templates of a suite, treatments first, then the controls, in the order of the file."""
    treatments = _placed(list(_treatments(suite)))
    controls: list[Frame] = []
    for index, control in enumerate(suite.controls):
        own = _own(suite, control, ("controls", index))
        reused = _reused(suite, control, treatments, ("controls", index))
        controls += _placed(list(own if control.texts else reused))
    return (*treatments, *controls)


def _treatments(suite: Suite) -> Iterator[Frame]:
    for index, template in enumerate(suite.templates):
        path: DocumentPath = ("templates", index)
        pick = template.pick
        yield Frame(
            path=path,
            text_path=(*path, "text"),
            pick_path=(*path, "pick"),
            name=template.id,
            cluster=template.id,
            kind="treatment",
            control=None,
            text=template.text,
            arms=suite.arms if template.arms is None else template.arms,
            mentions=template.mentions,
            stereotype=template.stereotype,
            completions=template.completions,
            items=_items(suite, pick.items) if pick else (),
            per_template=pick.per_template if pick else None,
            both_orders=pick.both_orders if pick else False,
        )


def _reused(suite: Suite, control: Control, treatments: list[Frame], path: DocumentPath) -> Iterator[Frame]:
    for frame in treatments:
        chosen = frame.cluster in control.reuse if control.reuse else bool(frame.items)
        if not chosen or not frame.mentions.candidates:
            continue
        yield replace(
            frame,
            pick_path=path,
            name=f"{control.id}.{frame.cluster}",
            kind="control",
            control=control.id,
            stereotype={},
            items=_items(suite, control.items),
            per_template=_per_template(control, frame.per_template),
            both_orders=frame.both_orders if control.both_orders is None else control.both_orders,
        )


def _own(suite: Suite, control: Control, path: DocumentPath) -> Iterator[Frame]:
    for index, (name, text) in enumerate(control_templates(control)):
        text_path = control_text_path(control, path, index)
        yield Frame(
            path=text_path,
            text_path=text_path,
            pick_path=path,
            name=f"{control.id}.{name}",
            cluster=f"{control.id}.{name}",
            kind="control",
            control=control.id,
            text=text.text,
            arms=suite.arms if control.arms is None else control.arms,
            mentions=text.mentions,
            stereotype={},
            completions={},
            items=_items(suite, control.items),
            per_template=_per_template(control, None),
            both_orders=bool(control.both_orders),
        )


def _per_template(control: Control, default: int | None) -> int | None:
    return None if control.design == "all" else control.per_template or default


def _items(suite: Suite, names: tuple[str, ...]) -> tuple[Item, ...]:
    return tuple(item for name in names for item in suite.items[name])


def _placed(unplaced: list[Frame]) -> list[Frame]:
    """Count the templates that share a Latin square."""
    counts: dict[object, int] = {}
    placed = []
    for frame in unplaced:
        placed.append(replace(frame, place=counts.get(frame.square, 0)))
        counts[frame.square] = counts.get(frame.square, 0) + 1
    return placed
