"""Modular arithmetic on the whole table of p² pairs: a + b, a - b, a² + ab + b², or a random table."""

import dataclasses

import numpy as np
from jaxtyping import Array, Int

from grokjax.config import at_least, one_of
from grokjax.tasks.vocabulary import Batch

OPERATIONS = ("add", "subtract", "quadratic", "random")


@dataclasses.dataclass(frozen=True)
class ModularAddition:
    """Tokens a, b, `=` (id = modulus), the answer predicted at the last position; every pair once, in row
    order (a, then b).

    operation: add | subtract | quadratic (a² + ab + b²) | random (uniform labels, drawn once from table_seed)
    batch_size: None takes the whole training set, as in the papers
    outputs: logits for all tokens, as in the released runs, or for the digits 0 ... modulus - 1 alone
    equals: False leaves `=` out, the answer is predicted at b;  two_vocabularies: b has ids of its own, b +
      modulus
    """

    modulus: int = 113
    operation: str = "add"
    batch_size: int | None = None
    outputs: str = "tokens"
    equals: bool = True
    two_vocabularies: bool = False
    table_seed: int = 0

    def __post_init__(self):
        at_least("modulus", self.modulus, 2)
        one_of("operation", self.operation, OPERATIONS)
        one_of("outputs", self.outputs, ("tokens", "digits"))
        at_least("table_seed", self.table_seed, 0)
        if self.batch_size is not None:
            at_least("batch_size", self.batch_size, 1)

    finite = True
    columns = (0,)
    base = 0
    order = "msb"

    @property
    def vocabulary(self) -> int:
        """The number of token ids."""
        return self.modulus * (1 + self.two_vocabularies) + self.equals

    @property
    def num_positions(self) -> int:
        """P, 3 with the `=`."""
        return 2 + self.equals

    @property
    def num_outputs(self) -> int:
        """Logits at the position that is read."""
        return self.vocabulary if self.outputs == "tokens" else self.modulus

    @property
    def read(self) -> tuple[int, ...]:
        """The position whose logits are scored, the last."""
        return (self.num_positions - 1,)

    @property
    def tokens_at(self) -> tuple[range, ...]:
        """For each position the ids that can stand there."""
        a, equals = range(self.modulus), range(self.vocabulary - 1, self.vocabulary)
        return (
            a,
            range(self.modulus, 2 * self.modulus) if self.two_vocabularies else a,
            *[equals] * self.equals,
        )

    def table(self) -> Batch:
        """Every example as numpy arrays: tokens [p², P], labels [p², 1]."""
        a, b = np.indices((self.modulus, self.modulus)).reshape(2, -1)
        tokens = [a, b + self.modulus * self.two_vocabularies]
        if self.equals:
            tokens.append(np.full_like(a, self.vocabulary - 1))
        return Batch(np.stack(tokens, 1).astype(np.int32), self._answers(a, b)[:, None].astype(np.int32))

    def _answers(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The answer to each pair."""
        if self.operation == "random":
            return np.random.default_rng(self.table_seed).integers(0, self.modulus, a.shape)
        values = {"add": a + b, "subtract": a - b, "quadratic": a * a + a * b + b * b}
        return values[self.operation] % self.modulus

    def show(self, tokens: Int[Array, " P"], labels: Int[Array, " 1"] | None = None) -> str:
        """The text of one example, "57 + 80 = 24"; `labels` adds the answer, which the tokens do not hold."""
        sign = {"add": "+", "subtract": "-"}.get(self.operation, "∘")
        text = f"{int(tokens[0])} {sign} {int(tokens[1]) - self.modulus * self.two_vocabularies} ="
        return text if labels is None else f"{text} {int(labels[0])}"
