"""What tasks on a table of pairs share: tokens a, b and `=`, the answer predicted at the last position.

`task` has `num_symbols` n (the ids 0 ... n - 1 of operands and answers), `equals`, `two_vocabularies`.
"""

import functools
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, PRNGKeyArray

from grokjax.tasks import draws, tables
from grokjax.tasks.vocabulary import Batch


class PairTask:
    """What every task needs but the table, from the fields that it declares: its geometry and its batches."""

    outputs: str
    equals: bool
    batch_size: int | None

    finite = True
    columns = (0,)
    base = 0
    order = "msb"

    @property
    def num_symbols(self) -> int:
        """n, the number of operands and of answers."""
        raise NotImplementedError

    @property
    def vocabulary(self) -> int:
        """The number of token ids."""
        return vocabulary(self)

    @property
    def num_positions(self) -> int:
        """P, 3 with the `=`."""
        return 2 + self.equals

    @property
    def num_outputs(self) -> int:
        """Logits at the position that is read."""
        return self.vocabulary if self.outputs == "tokens" else self.num_symbols

    @property
    def read(self) -> tuple[int, ...]:
        """The position whose logits are scored, the last."""
        return (self.num_positions - 1,)

    @property
    def tokens_at(self) -> tuple[range, ...]:
        """For each position the ids that can stand there."""
        return tokens_at(self)

    def table(self) -> Batch:
        """Every pair with its answer."""
        raise NotImplementedError

    @functools.partial(jax.jit, static_argnums=(0, 2))
    def batch(self, key: PRNGKeyArray, size: int | None = None) -> Batch:
        """`size` (else batch_size) examples of the table, drawn with replacement."""
        return draws.rows(key, self.table(), tables.size_of(self, size))


def vocabulary(task: Any) -> int:
    """The number of token ids: one or two of each symbol, then the `=`."""
    return task.num_symbols * (1 + task.two_vocabularies) + task.equals


def tokens_at(task: Any) -> tuple[range, ...]:
    """For each position the ids that can stand there."""
    n, last = task.num_symbols, vocabulary(task) - 1
    second = range(n, 2 * n) if task.two_vocabularies else range(n)
    return (range(n), second, *[range(last, last + 1)] * task.equals)


def every(task: Any) -> Int[np.ndarray, "2 N"]:
    """All pairs (a, b) in row order: a, then b."""
    return np.indices((task.num_symbols, task.num_symbols)).reshape(2, -1)


def table(
    task: Any, a: Int[np.ndarray, " N"], b: Int[np.ndarray, " N"], answers: Int[np.ndarray, " N"]
) -> Batch:
    """The examples of given pairs as numpy arrays: tokens [N, P], labels [N, 1]."""
    tokens = [a, b + task.num_symbols * task.two_vocabularies]
    if task.equals:
        tokens.append(np.full_like(a, vocabulary(task) - 1))
    return Batch(np.stack(tokens, 1).astype(np.int32), answers[:, None].astype(np.int32))


def operands(task: Any, tokens: Int[np.ndarray, "... P"]) -> tuple[np.ndarray, np.ndarray]:
    """The pairs (a, b) that tokens show, as symbols 0 ... n - 1."""
    tokens = np.asarray(tokens)
    return tokens[..., 0], tokens[..., 1] - task.num_symbols * task.two_vocabularies
