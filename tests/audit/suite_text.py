"""Small suites, written where a test wants them."""

from __future__ import annotations

from pathlib import Path

from audit.loader import LoadedSuite, load_suite

HEAD = """\
suite: jobs
version: 1
axis: gender
task: coreference
"""

ARMS = """\
arms:
  - {id: she, group: female, slots: {pronoun: she, Pronoun: She}}
  - {id: he, group: male, slots: {pronoun: he, Pronoun: He}}
"""

ITEMS = """\
lists:
  job: [nurse, {name: teacher, female_share: 79.7}, pilot, {name: farmer, female_share: 23.9}]
items:
  mixed: [[nurse, pilot], [teacher, farmer]]
"""

TEMPLATE = """\
templates:
  - id: met
    text: "The {job.1} met the {job.2}. {Pronoun} said that the"
    pick: {items: mixed, both_orders: true}
    mentions: {pronoun: "{Pronoun}", candidates: ["{job.1}", "{job.2}"]}
    stereotype: {she: "{job.1}", he: "{job.2}"}
    completions:
      " {job.2}": {reads_pronoun_as: "{job.1}"}
      " {job.1}": {reads_pronoun_as: "{job.2}"}
"""

SEED = """\
pairs:
  - id: seed
    she: "The Doctor asked the Nurse a question. She"
    he: "The Doctor asked the Nurse a question. He"
    mentions: {pronoun: [She, He], candidates: [Doctor, Nurse]}
    stereotype: {she: Nurse, he: Doctor}
"""


def written(folder: Path, text: str, name: str = "jobs.yaml") -> str:
    """Write a file; its name within the folder is what messages are compared with."""
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def loaded(folder: Path, text: str) -> LoadedSuite:
    """Write a suite and load it."""
    return load_suite(written(folder, text))


def told(error: Exception, folder: Path) -> str:
    """An error's text, with the folder left out."""
    return str(error).replace(f"{folder}/", "")
