"""What the names of exact levels mean, in a clause each."""

from collections.abc import Iterable

MEANINGS = {
    "any_token": "nothing, not even which symbols are digits",
    "nothing": "nothing of the input",
    "digit_sum": "the sum of all digits of both operands",
    "digit_multiset": "which digits both operands have, not where",
    "digit_pair": "the two operand digits of its own column",
    "one_lower_digit": "one operand's digit of the column below",
    "pair_above": "the two operand digits of the column above",
    "previous_answer": "the answer digit written just before",
    "answer_so_far": "the answer digits that are already written",
    "first_operand": "the first operand alone",
    "second_operand": "the second operand alone",
}
"""What a predictor knows, by the name of the level."""
LOWER = "lower:"


def meaning(known: str) -> str:
    """Returns what a predictor at a level knows: `digit_pair+lower:2` in words.

    A name that is none of `MEANINGS` stands for itself.
    """
    return ", and ".join(_part(name) for name in known.split("+"))


def _part(name: str) -> str:
    if name.startswith(LOWER):
        number = name.removeprefix(LOWER)
        return (
            "the operand digits of the column below"
            if number == "1"
            else (f"the operand digits of the {number} columns below")
        )
    return MEANINGS.get(name, name.replace("_", " "))


def sentences(names: Iterable[str]) -> list[tuple[str, str]]:
    """Returns (name, its meaning) of everything that the names of levels join, each once."""
    return [
        (name, _part(name)) for name in dict.fromkeys(part for known in names for part in known.split("+"))
    ]
