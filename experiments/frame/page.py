"""The pages of findings, as Markdown: one for a reader in a hurry, and one for each theme."""

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from experiments.frame import questions
from experiments.frame.questions import THEMES
from experiments.frame.rows import Row, cell, rows

BUILT_BY = "*Built by `python -m experiments.findings`; not edited by hand.*"
INTRODUCTION = """
# Findings

Five research notes ("the note") asked what small transformers do while they learn to add; their questions
are quoted on the pages by theme. This is every question of theirs, with what was measured. First the results
that matter most; then a page per theme, a row per question.

- A *shelf* is a stretch of training on which the loss stays level (a loss plateau). A *level* is the exact
  least loss, in nats, of one who knows only part of the input.
- *Digit 0* is the units. In *single mode* a model is asked for one digit alone; in *sequence mode* it writes
  the whole answer.
- *Frozen* attention looks at places alone, one learned pattern per head; *live* attention sees the tokens.
- h(.45) is the entropy of a carry into the tens, .688 nats; ln 10, 2.303 nats, is the loss of one who knows
  nothing of a digit.

More words stand in the [glossary](glossary.md); how intervals are made is said at the end of this page.
"""
CONVENTIONS = """
What was found wrong on the way, in the notes, in papers, in others' code and here, is
[a list of its own](findings/wrong.md).

Any row is measured again by `python -m experiments.campaign --only ID`, all of them by
`python -m experiments.campaign`.

# Measured again

Sixteen experiments were run again from nothing in November 2026, on another machine with two cores. Of 227
numbers with an interval that rest on as many runs as before, 220 are the same to five digits, the others lie
inside their interval. Of 298 numbers that rest on more runs, mostly twice as many, 290 lie inside the
interval that stood here before.

# How to read this

Losses and levels are in nats, times in optimiser steps, digit 0 is the units. Intervals are 95% over runs:
Wilson's of shares, Kaplan and Meier's of median times, Student's of means, bootstrap of fits, of areas under
a curve (AUC) and of medians of learning coefficients. `> 1,200 (5 of 8 still there)` is the median time of
runs of which more than half had not got there when they stopped; `400 or more` is an interval to which the
runs put no upper end.

A verdict is *confirmed*, *refuted*, *mixed* (of what), *open* (why, and what would settle it) or *built*
(with the command). It follows from a rule that stands in the experiment and on the page, beside the numbers.
The notes speak of 5 digits at width 128; where a row rests on less, its design says so.
"""


def pages(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The text of every page by its path under docs."""
    made = rows(found)
    used = [theme for theme in THEMES if any(row.question.theme == theme for row in made.values())]
    return {
        "findings.md": top(made, used, found),
        **{f"findings/{theme}.md": of_theme(theme, made, found) for theme in used},
        "findings/wrong.md": of_wrong(),
    }


def top(made: Mapping[str, Row], used: list[str], found: Mapping[str, Mapping[str, Any]]) -> str:
    """The page for a reader in a hurry."""
    lines = [INTRODUCTION.strip(), "", BUILT_BY, ""]
    for place, one in enumerate(questions.highlights(), 1):
        row = made[one.id]
        finding = found[row.experiment] if row.experiment else {}
        lines += [
            f"## {place}. {one.heading}",
            "",
            f"{row.answer} {one.meaning}",
            "",
            *([f"Task: {finding['task']}; {finding['size']}.", ""] if finding else []),
            f"*{row.verdict[:1].upper()}{row.verdict[1:]}. 95% intervals: {row.sure}. Rule and numbers: "
            f"[{one.id}]({link(row)}).*",
            "",
            *([f"![{one.heading}](findings/{row.experiment}.png)", ""] if row.experiment else []),
        ]
    lines += ["# All questions", "", "| theme | questions | verdicts |", "|---|---|---|"]
    for theme in used:
        of = [row for row in made.values() if row.question.theme == theme]
        counts = collections.Counter(row.kind for row in of)
        said = ", ".join(f"{n} {word}" for word, n in sorted(counts.items(), key=lambda item: -item[1]))
        lines.append(f"| [{THEMES[theme]}](findings/{theme}.md) | {len(of)} | {said} |")
    lines.append(CONVENTIONS)
    return "\n".join(lines)


def of_theme(theme: str, made: Mapping[str, Row], found: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of a theme: its table, then the details by experiment."""
    own = [row for row in made.values() if row.question.theme == theme]
    lines = [
        f"# {THEMES[theme]}",
        "",
        f"[Findings](../findings.md). {BUILT_BY}",
        "",
        "| id | question | answer | how sure | verdict |",
        "|---|---|---|---|---|",
        *(
            f"| [{row.question.id}](#{anchor(row)}) | {cell(row.question.words)} | {cell(row.answer)} "
            f"| {cell(row.sure)} | {cell(row.short)} |"
            for row in own
        ),
        "",
    ]
    experiments = list(dict.fromkeys(row.experiment for row in own))
    for name in sorted((name for name in experiments if name), key=str):
        lines += [
            *section(name, found[name]),
            *details((row for row in own if row.experiment == name), found),
        ]
    rest = [row for row in own if row.experiment is None]
    if rest:
        lines += ["## Without an experiment", "", *details(rest, found)]
    return "\n".join(lines)


def section(name: str, finding: Mapping[str, Any]) -> list[str]:
    """The head of an experiment: its picture, its command, and what stands behind its numbers."""
    seeds = finding["seeds"]
    return [
        f"## {name}",
        "",
        f"![{name}]({name}.png)",
        "",
        f"`{finding['command']}`",
        "",
        f"Design: {finding['task']}; {finding['size']}; {seeds['count']} seeds from {seeds['first']} on. "
        f"Measured on {finding['machine']}; commit {finding['commit']}"
        + (", with changes that were not committed." if str(finding["commit"]).endswith("+") else "."),
        "",
    ]


def details(of: Iterable[Row], found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The details of some questions, each with where it was measured."""
    for row in of:
        where = []
        if row.experiment:
            finding, count = found[row.experiment], found[row.experiment]["seeds"]["count"]
            where = [
                f"Measured by [{row.experiment}](#{row.experiment}), {count} seeds: `{finding['command']}`.",
                "",
            ]
        yield from (
            f"### {row.question.id}",
            "",
            f"> {row.question.words}",
            "",
            f"**{row.answer}** {row.verdict[:1].upper()}{row.verdict[1:]}.",
            "",
            *where,
            row.detail,
            "",
        )


def of_wrong() -> str:
    """The list of what was found wrong."""
    return "\n".join(
        [
            "# What was found wrong on the way",
            "",
            f"[Findings](../findings.md). {BUILT_BY}",
            "",
            "| where | what | how it is known |",
            "|---|---|---|",
            *(
                f"| {cell(one.where)} | {cell(one.what)} | {cell(one.evidence)} |"
                for one in questions.wrong()
            ),
            "",
        ]
    )


def link(row: Row) -> str:
    """The details of a row, from the top page."""
    return f"findings/{row.question.theme}.md#{anchor(row)}"


def anchor(row: Row) -> str:
    """The name that readers of Markdown give the heading of a row."""
    return row.question.id
