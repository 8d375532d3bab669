"""What an experiment says to one question: a sentence, its numbers, and the rule that gave the verdict."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from experiments.frame import measured
from experiments.frame.measured import Measured

VERDICTS = ("confirmed", "refuted", "mixed", "open", "built")
NEED_WORDS = {"mixed": "of what", "open": "why, and what would settle it", "built": "the command"}
MOST_WORDS, MOST_NUMBERS = 30, 2


class Result(NamedTuple):
    """An answer: at most 30 words with at most two numbers, which stand in it as the names of rows in braces.

    rows: every number that the answer rests on, by name
    rule: what counts as confirmed and what as refuted, with its tolerance, fixed before the number is seen
    verdict: `confirmed`, `refuted`, `mixed: of what`, `open: why, and what would settle it`, `built: command`
    caveats: what the reader must know, a sentence each
    """

    id: str
    sentence: str
    rows: Mapping[str, Measured]
    rule: str
    verdict: str
    caveats: Sequence[str] = ()


def placeholders(sentence: str) -> list[str]:
    """The names of rows that a sentence shows."""
    return re.findall(r"\{(\w+)\}", sentence)


def written(sentence: str, rows: Mapping[str, Measured]) -> str:
    """The sentence with its numbers."""
    return re.sub(r"\{(\w+)\}", lambda found: measured.value(rows[found[1]]), sentence)


def loose_numbers(sentence: str) -> list[str]:
    """Numbers that a sentence spells out itself; `ln 10`, `base 3`, `5-digit` and the like are names."""
    bare = re.sub(r"\{\w+\}", "", sentence)
    named = r"\b(ln|log|[Bb]ase|[Dd]igit|n =|mod|[Ww]idth|p =|[Ll]ayer|batch of) \d[\d/.]*"
    bare = re.sub(named + r"|\d+-\w+|\d+/\d+|h\(\.\d+\)|[+-][01] set", "", bare)
    return re.findall(r"(?<!\w)[.\d][\d,]*\.?\d*", bare.replace("...", "").rstrip("."))


def check(result: Result) -> Result:
    """Returns the result. Raises ValueError, in one sentence, for one that the page must not show."""
    shown = placeholders(result.sentence)
    kind, _, words = result.verdict.partition(":")
    text = written(result.sentence, result.rows) if set(shown) <= set(result.rows) else ""
    # what the renderer adds to a number in brackets is no word of the sentence
    count = len(re.sub(r"\([^)]*still there\)", "", text).split())
    wrong = (
        f"no row for {sorted(set(shown) - set(result.rows))}"
        if not text
        else f"{count} words, at most {MOST_WORDS}"
        if count > MOST_WORDS
        else f"numbers {shown + loose_numbers(result.sentence)}, at most {MOST_NUMBERS}"
        if len(shown) + len(loose_numbers(result.sentence)) > MOST_NUMBERS
        else "the rule is missing"
        if len(result.rule.split()) < 4
        else f"the verdict {result.verdict!r} must begin with one of {', '.join(VERDICTS)}"
        if kind not in VERDICTS
        else f"the verdict {kind!r} must say {NEED_WORDS[kind]}, after a colon"
        if kind in NEED_WORDS and not words.strip()
        else ""
    )
    if wrong:
        raise ValueError(f"{result.id}: {wrong}: {result.sentence!r}")
    return result


def plain(result: Result) -> dict[str, Any]:
    """The result as JSON."""
    return dict(
        id=result.id,
        sentence=result.sentence,
        rows={name: measured.plain(row) for name, row in result.rows.items()},
        rule=result.rule,
        verdict=result.verdict,
        caveats=list(result.caveats),
    )


def read(kept: Mapping[str, Any]) -> Result:
    """The result that `plain` kept."""
    rows = {name: Measured(**row) for name, row in kept["rows"].items()}
    return Result(kept["id"], kept["sentence"], rows, kept["rule"], kept["verdict"], kept["caveats"])
