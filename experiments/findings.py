"""Which questions of the notes are answered, and how? Build docs/findings.md and the pages in docs/findings/
from what the experiments wrote there.

    python -m experiments.findings

Takes a second. The first page has the results that matter most; then a page per theme, a row per question:
the answer in a sentence, how sure it is, the verdict; below, the design, the rule, every number, the picture.
Nothing on these pages is written by hand: the questions, and which results matter most, are tables in
experiments/frame.
"""

import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from experiments.frame import page
from experiments.frame.rows import rows

DIRECTORY = pathlib.Path("docs/findings")


def main(argv: Sequence[str]) -> int:
    """Write the pages in and beside the directory of the findings; the exit status."""
    if {"-h", "--help", "-help", "--helpfull"} & set(argv):
        print(__doc__)
        return 0
    if argv:
        print(f"findings: {argv[0]!r} is no flag: it takes none", file=sys.stderr)
        return 2
    try:
        found = read(DIRECTORY)
        for name, text in page.pages(found).items():
            (DIRECTORY.parent / name).write_text(text)
    except (OSError, ValueError) as error:
        print(f"findings: {error}", file=sys.stderr)
        return 2
    made = rows(found)
    measured = sum(row.experiment is not None for row in made.values())
    print(f"{len(made)} questions, {measured} measured by {len(found)} experiments, in {DIRECTORY}.md")
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
