"""Checks that every name in a suite refers to something."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from audit.errors import Fault
from audit.placeholders import item_slot, parse, slots
from audit.suite import Arm, Completion, Control, ControlText, Item, Suite, Template, WrittenPair
from audit.validate import hint, listed, shown
from audit.yaml_lines import Document, DocumentPath

Found = tuple[DocumentPath, str]

#: The prefix of item slots that belong to no list: ``{item.1}``.
ANY_LIST = "item"


def reference_faults(suite: Suite, document: Document) -> list[Fault]:
    """Every id that is there twice, and every name of an arm, item, list or slot that is not there."""
    if not (suite.templates or suite.pairs or suite.associations or suite.projections):
        return [
            document.fault((), "the suite is empty; expected 'templates' or 'pairs' with at least one entry")
        ]
    found = [*_ids(suite), *_lists(suite), *_arm_slots(suite)]
    for index, template in enumerate(suite.templates):
        found += _template(suite, template, ("templates", index))
    for index, control in enumerate(suite.controls):
        found += _control(suite, control, ("controls", index))
    for index, pair in enumerate(suite.pairs):
        found += _written_pair(suite, pair, ("pairs", index))
    return [document.fault(path, message) for path, message in dict.fromkeys(found)]


def _ids(suite: Suite) -> Iterator[Found]:
    yield from twice((arm.id for arm in suite.arms), ("arms",), "id")
    yield from twice((template.id for template in suite.templates), ("templates",), "id")
    yield from twice((control.id for control in suite.controls), ("controls",), "id")
    yield from twice((pair.id for pair in suite.pairs), ("pairs",), "id")
    for name, entries in suite.lists.items():
        yield from twice((entry.name for entry in entries), ("lists", name), "name")


def twice(names: Iterable[str | None], path: DocumentPath, key: str) -> Iterator[Found]:
    """Names of a list that are there a second time."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name is not None and name in seen:
            yield (*path, index, key), f"the {key} is there twice {shown(name)}"
        seen |= {name} if name is not None else set()


def _lists(suite: Suite) -> Iterator[Found]:
    for name, entries in suite.lists.items():
        if name == ANY_LIST:
            yield ("lists", name), f"'{ANY_LIST}' means any item and cannot name a list"
        if not entries:
            yield ("lists", name), "the list is empty"
    for name, items in suite.items.items():
        if not items:
            yield ("items", name), "the list of items is empty"


def _arm_slots(suite: Suite) -> Iterator[Found]:
    for index, arm in enumerate(suite.arms[1:], start=1):
        if arm.stereotypical:
            yield (
                ("arms", index, "stereotypical"),
                "only the first arm may say the stereotype; expected it first",
            )
    yield from _arms_slots(suite.arms, ("arms",))
    if any(template.arms is None for template in suite.templates):
        yield from _enough(suite.arms, ("arms",))


def _enough(arms: Collection[Arm], path: DocumentPath) -> Iterator[Found]:
    if len(arms) < 2:
        yield path, f"too few arms (got {len(arms)}); expected at least 2"


def _arms_slots(arms: Iterable[Arm], path: DocumentPath) -> Iterator[Found]:
    for index, arm in enumerate(arms):
        for slot, text in arm.slots.items():
            yield from _slots_or_fault(text, (*path, index, "slots", slot))[1]


def _slots_or_fault(text: str, path: DocumentPath) -> tuple[tuple[str, ...], list[Found]]:
    try:
        return slots(parse(text)), []
    except ValueError as error:
        return (), [(path, f"the slots cannot be read {shown(text)}: {error}")]


def _template(suite: Suite, template: Template, path: DocumentPath) -> Iterator[Found]:
    arms = suite.arms if template.arms is None else template.arms
    if template.arms is not None:
        yield from _enough(template.arms, (*path, "arms"))
        yield from twice((arm.id for arm in template.arms), (*path, "arms"), "id")
        yield from _arms_slots(template.arms, (*path, "arms"))
    items: tuple[Item, ...] = ()
    if template.pick:
        yield from known_names(template.pick.items, suite.items, "list of items", (*path, "pick", "items"))
        items = _items(suite, template.pick.items)
    texts = [template.text, *(text for arm in arms for text in arm.slots.values())]
    yield from _slots_or_fault(template.text, (*path, "text"))[1]
    yield from _members(suite, items, texts, (*path, "pick"))
    candidates = template.mentions.candidates or ()
    yield from _meaning(arms, candidates, template.stereotype, template.completions, path)


def _items(suite: Suite, names: Iterable[str]) -> tuple[Item, ...]:
    return tuple(item for name in names for item in suite.items.get(name, ()))


def _members(
    suite: Suite, items: Iterable[Item], texts: Iterable[str], path: DocumentPath
) -> Iterator[Found]:
    """Items must be made of words of the lists that the slots name."""
    for text in texts:
        for slot in _slots_or_fault(text, path)[0]:
            word = item_slot(slot)
            if word is None or word.list == ANY_LIST:
                continue
            if word.list not in suite.lists:
                options = [*suite.lists, ANY_LIST]
                told = f"unknown list '{word.list}' in '{{{slot}}}'; expected {listed(options)}"
                meant = f"; did you mean '{{{ANY_LIST}.{word.member}}}'?" if word.list in suite.items else ""
                yield path, told + (meant or hint(word.list, options))
                continue
            known = [entry.name for entry in suite.lists[word.list]]
            for item in items:
                for member in item.members[word.member - 1 : word.member]:
                    if member not in known:
                        yield path, f"no '{member}' in the list '{word.list}'{hint(member, known)}"


def known_names(
    names: Iterable[str], options: Collection[str], noun: str, path: DocumentPath
) -> Iterator[Found]:
    """Names that are not among the options."""
    for name in names:
        if name not in options:
            yield path, f"unknown {noun} '{name}'; expected {listed(list(options))}{hint(name, options)}"


def _meaning(
    arms: Iterable[Arm],
    candidates: tuple[str, ...],
    stereotype: Mapping[str, str],
    completions: Mapping[str, Completion],
    path: DocumentPath,
) -> Iterator[Found]:
    """Stereotype and completions must speak of arms and candidates that are there."""
    ids = [arm.id for arm in arms]
    if len(set(candidates)) < len(candidates):
        yield (*path, "mentions", "candidates"), f"the candidates are the same {shown(list(candidates))}"
    for arm, candidate in stereotype.items():
        yield from known_names([arm] if ids else [], ids, "arm", (*path, "stereotype", arm))
        yield from known_names([candidate], candidates, "candidate", (*path, "stereotype", arm))
    if len(set(stereotype.values())) < len(stereotype):
        yield (*path, "stereotype"), "two arms are tied to the same candidate; expected a candidate for each"
    kinds = {completion.tied_to is None for completion in completions.values()}
    if completions and (len(completions) < 2 or len(kinds) > 1):
        told = "expected at least 2, all with 'reads_pronoun_as' or all with 'tied_to'"
        yield (*path, "completions"), f"the completions cannot be compared (got {len(completions)}); {told}"
    meanings = [completion.reads_pronoun_as or completion.tied_to for completion in completions.values()]
    if len(set(meanings)) < len(meanings):
        yield (*path, "completions"), "two completions stand for the same thing; expected one for each"
    for words, completion in completions.items():
        at = (*path, "completions", words)
        if completion.tied_to is not None:
            yield from known_names([completion.tied_to], ids, "arm", (*at, "tied_to"))
        if completion.reads_pronoun_as is not None:
            yield from known_names(
                [completion.reads_pronoun_as], candidates, "candidate", (*at, "reads_pronoun_as")
            )


def _control(suite: Suite, control: Control, path: DocumentPath) -> Iterator[Found]:
    yield from known_names(control.items, suite.items, "list of items", (*path, "items"))
    items = _items(suite, control.items)
    if not control.texts:
        picking = [template for template in suite.templates if template.pick and template.mentions.candidates]
        yield from known_names(
            control.reuse, [template.id for template in picking], "template", (*path, "reuse")
        )
        if not picking:
            yield path, "no template picks candidates; expected one, or 'templates' of the control's own"
        yield from _members(suite, items, [template.text for template in picking], (*path, "items"))
        return
    yield from _enough(suite.arms if control.arms is None else control.arms, (*path, "arms"))
    if control.arms:
        yield from twice((arm.id for arm in control.arms), (*path, "arms"), "id")
        yield from _arms_slots(control.arms, (*path, "arms"))
    yield from twice((text.id for text in control.templates), (*path, "templates"), "id")
    for index, text in enumerate(control.texts):
        yield from _slots_or_fault(text.text, control_text_path(control, path, index))[1]
    yield from _members(suite, items, [text.text for text in control.texts], (*path, "items"))


def control_text_path(control: Control, path: DocumentPath, index: int) -> DocumentPath:
    """Where the text of a control's own template is written."""
    return (*path, "template") if control.template else (*path, "templates", index)


def _written_pair(suite: Suite, pair: WrittenPair, path: DocumentPath) -> Iterator[Found]:
    ids = [arm.id for arm in suite.arms]
    options = [*WrittenPair.model_fields, *ids]
    for key, text in pair.further.items():
        if key not in ids:
            yield (*path, key), f"unknown key '{key}'; expected {listed(sorted(options))}{hint(key, options)}"
        elif not isinstance(text, str):
            yield (*path, key), f"wrong type {shown(text)}; expected text"
    written = [arm for arm in suite.arms if arm.id in pair.texts]
    if len(written) < 2:
        yield path, f"too few texts (got {len(written)}); expected a text for at least 2 arms ({listed(ids)})"
    candidates = pair.mentions.candidates or ()
    yield from _meaning(written, candidates, pair.stereotype, pair.completions, path)
    referents = pair.referents or candidates
    if pair.gold is not None:
        yield from known_names([pair.gold], referents, "referent", (*path, "gold"))
    if pair.gold is not None and not pair.mentions.pronoun:
        yield (*path, "gold"), "no pronoun is mentioned; expected 'pronoun' among the mentions"
    if isinstance(pair.source_row, dict):
        yield from known_names(pair.source_row, [arm.id for arm in written], "arm", (*path, "source_row"))


def control_templates(control: Control) -> tuple[tuple[str, ControlText], ...]:
    """A control's own templates with their ids (``t1``, ``t2``, … where they have none)."""
    return tuple((text.id or f"t{number}", text) for number, text in enumerate(control.texts, start=1))
