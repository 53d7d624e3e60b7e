"""A suite of embedding tests in the words of the tiny model, and nothing else."""

from __future__ import annotations

EMBEDDING_SUITE = """\
suite: tiny-words
version: 1
axis: gender
task: embedding
license: CC0-1.0
lists:
  job:
    - {name: nurse, female_share: 88}
    - {name: secretary, female_share: 92}
    - {name: librarian, female_share: 82}
    - {name: doctor, female_share: 40}
    - {name: engineer, female_share: 15}
    - {name: pilot, female_share: 9}
associations:
  - id: jobs-doings
    targets: {jobs: [nurse, secretary, librarian, baker], doings: [asked, met, thanked, told]}
    attributes: {female: [She, she], male: [He, he]}
    layers: [input, 1, last]
projections:
  - id: jobs
    direction: [[she, he], [She, He]]
    words: {list: job}
    against: female_share
    layers: [input, last]
    sentences: ["{word} met the doctor"]
"""
