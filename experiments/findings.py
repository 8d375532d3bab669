"""Which questions of the notes are answered, and how? Build docs/findings.md from what the experiments wrote
into docs/findings/.

    python -m experiments.findings

Takes a second. One row per question: what was measured, the number with its interval, the picture and the
  verdict; below, the command, the machine and the size behind each experiment. Nothing on that page is
  written by hand.
"""

import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from experiments.frame.again import why

DIRECTORY = pathlib.Path("docs/findings")
INTRODUCTION = """# Findings

Built by `python -m experiments.findings` from the files in `findings/`; not edited by hand. Losses and levels
are in nats, times in optimiser steps. Intervals are 95% over seeds: Wilson's of shares, Kaplan-Meier's of
medians, Student's of means. Digit 0 is the units.
"""


def main(argv: Sequence[str]) -> int:
    """Write the page beside the directory of the findings; the exit status."""
    if {"-h", "--help", "-help", "--helpfull"} & set(argv):
        print(__doc__)
        return 0
    if argv:
        print(f"findings: {argv[0]!r} is no flag: it takes none", file=sys.stderr)
        return 2
    try:
        found = read(DIRECTORY)
        path = DIRECTORY.with_suffix(".md")
        path.write_text(page(found))
    except (OSError, ValueError) as error:
        print(f"findings: {error}", file=sys.stderr)
        return 2
    print(
        f"{sum(len(finding['answers']) for finding in found.values())} questions of {len(found)} "
        f"experiments in {path}"
    )
    return 0


def read(directory: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Every finding by the name of its experiment. ValueError for a damaged file, or a question that two of
    them answer.
    """
    found: dict[str, dict[str, Any]] = {}
    answered: dict[str, str] = {}
    for path in sorted(directory.glob("*.json")):
        try:
            found[path.stem] = json.loads(path.read_text())
        except ValueError:
            raise ValueError(f"{path} is damaged: run its experiment again") from None
        for answer in found[path.stem]["answers"]:
            if (other := answered.setdefault(answer["id"], path.stem)) != path.stem:
                raise ValueError(
                    f"{answer['id']} is answered by {other} and by {path.stem}; one row per question"
                )
    return found


def page(found: dict[str, dict[str, Any]]) -> str:
    """The findings as Markdown."""
    rows = sorted(
        (answer["id"], row(name, answer, finding["commit"]))
        for name, finding in found.items()
        for answer in finding["answers"]
    )
    head = ["| id | question | measured | number | picture | verdict |", "|---|---|---|---|---|---|"]
    return "\n".join(
        [
            INTRODUCTION,
            *head,
            *(text for _, text in rows),
            "",
            "# Experiments",
            "",
            *(section(name, finding) for name, finding in found.items()),
        ]
    )


def row(name: str, answer: dict[str, str], commit: str) -> str:
    """One question as a line of the table; a verdict that rests on a mended reader says so."""
    picture, again = f"[{name}](findings/{name}.png)", why(name, commit, answer["id"])
    cells = (
        answer["id"],
        answer["question"],
        answer["measured"],
        answer["number"],
        picture,
        f"to be measured again ({again}); before: {answer['verdict']}" if again else answer["verdict"],
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def section(name: str, finding: dict[str, Any]) -> str:
    """One experiment: its command, and what stands behind its numbers."""
    seeds = finding["seeds"]
    return "\n".join(
        [
            f"## {name}",
            "",
            f"`{finding['command']}`",
            "",
            f"{finding['task']}; {finding['size']}; {seeds['count']} seeds from {seeds['first']} on; "
            f"{finding['machine']}; "
            f"commit {finding['commit']}.",
            "",
            f"![{name}](findings/{name}.png)",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
