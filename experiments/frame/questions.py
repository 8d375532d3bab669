"""The questions of the notes, and what is kept about them as tables beside this file."""

import csv
import pathlib
from typing import NamedTuple

HERE = pathlib.Path(__file__).parent
THEMES = {
    "plateaus": "Shelves of the loss, and what the model knows on them",
    "mechanism": "How a trained model adds",
    "optimization": "Training: success, time, spikes",
    "formats": "Order of digits, positions, other tasks",
    "theory": "What attention can do without an MLP",
    "modular": "Modular addition, clock and pizza",
    "bayes": "Learning coefficients",
}
"""Theme -> the title of its page, in the order of the pages."""


class Question(NamedTuple):
    """A question, conjecture, number, to-do or tool of the notes, in their words.

    settled_by: what would settle it, written down before anything was measured
    """

    id: str
    theme: str
    words: str
    settled_by: str


class Tool(NamedTuple):
    """Something that the notes ask for, that is there, and the command that shows it at work."""

    id: str
    sentence: str
    command: str


class Highlight(NamedTuple):
    """One of the results that matter most: the question, a heading, and what it means, without numbers."""

    id: str
    heading: str
    meaning: str


class Wrong(NamedTuple):
    """Something that was found wrong on the way: where, what, and how it is known."""

    where: str
    what: str
    evidence: str


def all_of_them() -> dict[str, Question]:
    """Returns every question by its id, in order."""
    return {row[0]: Question(*row) for row in _rows("questions")}


def tools() -> dict[str, Tool]:
    """Returns what is built, by the id of the note that asks for it."""
    return {row[0]: Tool(*row) for row in _rows("tools")}


def highlights() -> list[Highlight]:
    """Returns the results that matter most, the first first."""
    return [Highlight(*row) for row in _rows("highlights")]


def wrong() -> list[Wrong]:
    """Returns what was found wrong on the way."""
    return [Wrong(*row) for row in _rows("wrong")]


def _rows(name: str) -> list[list[str]]:
    with (HERE / f"{name}.tsv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
