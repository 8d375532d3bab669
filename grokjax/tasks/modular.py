"""Modular arithmetic on the table of all pairs: the operations that the field trains on, or one's own."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Array, Int

from grokjax.config import at_least, one_of
from grokjax.config.annotations import require_types
from grokjax.tasks import exact, pairs
from grokjax.tasks.protocol import Levels
from grokjax.tasks.vocabulary import Batch

FORMULAS = {
    "add": "a+b",
    "subtract": "a-b",
    "multiply": "a*b",
    "divide": "a/b",
    "parity": "a/b if b odd else a-b",
    "squares": "a^2+b^2",
    "quadratic": "a^2+ab+b^2",
    "quadratic_linear": "a^2+ab+b^2+a",
    "cubic": "a^3+ab",
    "cubic_mixed": "a^3+ab^2+b",
    "random": "random",
}
"""Every operation by name, with its formula, which may be given instead of the name."""

POLYNOMIALS: dict[str, Callable] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "squares": lambda a, b: a * a + b * b,
    "quadratic": lambda a, b: a * a + a * b + b * b,
    "quadratic_linear": lambda a, b: a * a + a * b + b * b + a,
    "cubic": lambda a, b: a * a * a + a * b,
    "cubic_mixed": lambda a, b: a * a * a + a * b * b + b,
}
"""The operations that every pair has an answer to, before the reduction mod the modulus."""

LARGEST = 2**20
"""A modulus below this keeps every cube within int64."""


@dataclasses.dataclass(frozen=True)
class ModularArithmetic(pairs.PairTask):
    """Tokens a, b and `=` (the last id); the answer is predicted at the last position.

    The table has every pair once, in row order (a, then b). Division leaves out the b without an inverse: 0
    for a prime modulus, all that share a factor with it otherwise. Parity leaves out the odd ones among them.

    modulus: at least 2
    operation: add | subtract | multiply | divide | parity (a/b if b odd else a-b) | squares (a^2+b^2) |
      quadratic (a^2+ab+b^2) | quadratic_linear (a^2+ab+b^2+a) | cubic (a^3+ab) | cubic_mixed (a^3+ab^2+b) |
      random (drawn once from table_seed), the formula instead of the name, or a function `(a, b) -> answers`
      of int64 arrays, which is reduced mod the modulus
    batch_size: examples of a step; None takes the whole training set, as in the papers
    outputs: tokens | digits: logits for all tokens, as in Nanda's runs, or for 0 ... modulus - 1 alone
    equals: False leaves `=` out, the answer is predicted at b
    two_vocabularies: b has ids of its own, b + modulus
    table_seed: what the answers of operation=random are drawn from
    """

    modulus: int = 113
    operation: str | Callable = "add"
    batch_size: int | None = None
    outputs: str = "tokens"
    equals: bool = True
    two_vocabularies: bool = False
    table_seed: int = 0

    def __post_init__(self):
        require_types(self)
        at_least("modulus", self.modulus, 2)
        if self.modulus > LARGEST:
            raise ValueError(f"modulus={self.modulus} must be at most {LARGEST}")
        if not callable(self.operation):
            named = {formula: name for name, formula in FORMULAS.items()}
            # recorded by its name, however it was given
            object.__setattr__(self, "operation", named.get(self.operation, self.operation))
            one_of("operation", self.operation, tuple(FORMULAS))
        one_of("outputs", self.outputs, ("tokens", "digits"))
        at_least("table_seed", self.table_seed, 0)
        if self.batch_size is not None:
            at_least("batch_size", self.batch_size, 1)

    @property
    def num_symbols(self) -> int:
        """The modulus."""
        return self.modulus

    @property
    def formula(self) -> str:
        """The operation as people write it; a function's name."""
        return FORMULAS[self.operation] if isinstance(self.operation, str) else _name(self.operation)

    def table(self) -> Batch:
        """Every example as numpy arrays: tokens [N, P], labels [N, 1]; N is p², or less with division."""
        return _table(self)

    def exact_levels(self) -> Levels:
        """The loss of knowing nothing, and of one operand where that tells more."""
        return exact.pairs(self.table())

    def show(self, tokens: Int[Array, " P"], labels: Int[Array, " 1"] | None = None) -> str:
        """The text of one example, "57 + 80 = 24"; `labels` adds the answer, which the tokens do not hold."""
        sign = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}.get(str(self.operation), "∘")
        a, b = pairs.operands(self, np.asarray(tokens))
        text = f"{int(a)} {sign} {int(b)} ="
        return text if labels is None else f"{text} {int(labels[0])}"


@functools.lru_cache(maxsize=8)
def _table(task: ModularArithmetic) -> Batch:
    a, b = pairs.every(task)
    has_answer = _has_answer(task)[b]
    a, b = a[has_answer], b[has_answer]
    found = pairs.table(task, a, b, _answers(task, a, b))
    for part in found:
        np.asarray(part).flags.writeable = False
    return found


def _has_answer(task: ModularArithmetic) -> np.ndarray:
    """For each b whether every a has an answer."""
    b = np.arange(task.modulus)
    invertible = np.gcd(b, task.modulus) == 1
    return {"divide": invertible, "parity": invertible | (b % 2 == 0)}.get(
        str(task.operation), np.ones(task.modulus, bool)
    )


def _answers(task: ModularArithmetic, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The answer to each pair."""
    p, operation = task.modulus, task.operation
    if callable(operation):
        answers = np.asarray(operation(a, b))
        if answers.shape != a.shape or not np.issubdtype(answers.dtype, np.integer):
            raise ValueError(
                f"operation={_name(operation)} gave {answers.dtype}{list(answers.shape)}; "
                f"it must give integers of the shape of a and b, {list(a.shape)}"
            )
        return answers % p
    if operation == "random":
        return np.random.default_rng(task.table_seed).integers(0, p, a.shape)
    if operation in POLYNOMIALS:
        return POLYNOMIALS[operation](a, b) % p
    quotient = a * _inverses(p)[b] % p
    return quotient if operation == "divide" else np.where(b % 2 == 1, quotient, (a - b) % p)


def _inverses(modulus: int) -> np.ndarray:
    """The inverse of each number mod the modulus, 0 where there is none."""
    return np.array([pow(b, -1, modulus) if np.gcd(b, modulus) == 1 else 0 for b in range(modulus)])


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", repr(function))
