"""The states (position, token) that a first block can read, and the columns that are enough to tell its
tokens apart.

A task says by `tokens_at` which ids can stand where; without it every token may stand everywhere.
"""

import itertools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.model import positions
from grokjax.model.fast.arithmetic import take


def possible_tokens(config: ModelConfig, task: Any, num_positions: int) -> tuple[range, ...]:
    """For each position a range of ids that holds every token that can stand there."""
    return getattr(task, "tokens_at", (range(config.vocabulary),) * num_positions)


def beginnings(
    config: ModelConfig, tokens: Int[Array, "B P"], tokens_at: tuple[range, ...]
) -> tuple[Int[Array, "n L"], Int[Array, " B"]]:
    """(every way to begin, which of them each row of tokens has), so long that a batch holds at least two of
    each on average.

    Empty where a position does not depend on the tokens before it alone, or where places are shifted
    (abacus).
    """
    sizes = [len(ids) for ids in tokens_at[:-1]]
    depends = config.mask == "causal" and config.positions != "abacus"
    with np.errstate(over="ignore"):  # floats become infinite where integers would begin again at 0
        ways = np.cumprod(sizes, dtype=float)
    length = int((2 * ways <= len(tokens)).sum()) if depends else 0
    every = np.array(list(itertools.product(*tokens_at[:length])))
    index = jnp.zeros_like(tokens[:, 0])
    for ids, token in zip(tokens_at[:length], tokens.T[:length], strict=True):
        index = index * len(ids) + token - ids.start
    return jnp.asarray(every, tokens.dtype), index


def spans(config: ModelConfig, start: int, stop: int, most: int) -> list[range]:
    """The positions from start to stop in so many pieces, of four positions at least. The early ones of a
    causal model read few others.
    """
    depends = config.mask == "causal" and config.positions != "abacus"
    cuts = (
        np.linspace(start, stop, 1 + (min(most, max((stop - start) // 4, 1)) if depends else 1))
        .astype(int)
        .tolist()
    )
    return list(map(range, cuts[:-1], cuts[1:]))


class Tables(NamedTuple):
    """Token and position embeddings of one config, stacked [V (+ P), D], where they are read, and what can
    stand where.
    """

    stacked: Float[Array, "VP D"]
    vocabulary: int
    rows: tuple[int, ...]
    tokens_at: tuple[range, ...]

    @property
    def embedded(self) -> bool:
        """Whether positions are."""
        return len(self.stacked) > self.vocabulary

    @property
    def everywhere(self) -> tuple[int, ...]:
        """All positions."""
        return tuple(range(len(self.tokens_at)))

    def states(self, place: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """(position, token) of every state at the given positions, in their order."""
        return np.repeat(place, [len(self.tokens_at[p]) for p in place]), np.concatenate(
            [self.tokens_at[p] for p in place]
        )

    def state_of(self, tokens: Int[Array, "B p"], place: tuple[int, ...]) -> Int[Array, "p B"]:
        """Which of the states at the given positions each token there is."""
        sizes = [len(self.tokens_at[p]) for p in place]
        return (
            tokens.T
            + np.subtract(np.cumsum(sizes) - sizes, [self.tokens_at[p].start for p in place])[:, None]
        )

    def at(self, x: Float[Array, "VP c"], states: tuple[np.ndarray, np.ndarray]) -> Float[Array, "s c"]:
        """Projections of given states, from those of the embeddings."""
        position, token = states
        return take(x, token) + take(x, self.vocabulary + position) if self.embedded else take(x, token)

    def varies(self, place: tuple[int, ...]) -> np.ndarray:
        """[p] whether a column for the position alone does not tell its token: several can stand there, or
        positions have no column.
        """
        return np.array([len(self.tokens_at[p]) > 1 or not self.embedded for p in place])

    def ids(self, place: tuple[int, ...]) -> range:
        """The ids that vary at the given positions. The first of them needs no column: see `differences`."""
        varied = [self.tokens_at[p] for p, varies in zip(place, self.varies(place), strict=True) if varies]
        return (
            range(min(ids.start for ids in varied), max(ids.stop for ids in varied)) if varied else range(1)
        )

    def id_of(self, tokens: Int[Array, "B p"], place: tuple[int, ...]) -> Int[Array, "p B"]:
        """The index of each token among the ids that vary; 0 where none does."""
        return jnp.where(self.varies(place)[:, None], tokens.T - self.ids(place).start, 0)

    def differences(
        self, x: Float[Array, "VP c"], place: tuple[int, ...]
    ) -> tuple[Float[Array, "v c"], Float[Array, "p c"]]:
        """(projections of the ids that vary, but the first, less the first; of one state for each position).

        A state is its position's, with the only token that can stand there or the first that varies, plus a
        difference where it varies.
        """
        ids = self.ids(place)
        first = np.where(self.varies(place), ids.start, [self.tokens_at[p].start for p in place])
        return x[ids.start + 1 : ids.stop] - x[ids.start], self.at(x, (np.asarray(place), first))


def tables_of(
    config: ModelConfig, params: PyTree, rows: tuple[int, ...], tokens_at: tuple[range, ...]
) -> Tables:
    """The tables of a model whose first block reads at `rows`."""
    added = positions.table(config, params)
    stacked = params["W_E"] if added is None else jnp.concatenate([params["W_E"], added[: len(tokens_at)]])
    return Tables(stacked, config.vocabulary, rows, tokens_at)
