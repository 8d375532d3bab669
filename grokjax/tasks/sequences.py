"""Two sequence tasks without arithmetic: a repeated subsequence (induction) and skip trigrams.

The generators behind the released runs were never published. Known are the stored settings, the defaults
here, and what the induction weights show: positions 28 and 56 start stretches of 28 tokens.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Int, PRNGKeyArray

from grokjax.config import at_least
from grokjax.config.annotations import require_types
from grokjax.tasks import exact, tables
from grokjax.tasks.draws import below
from grokjax.tasks.protocol import Levels
from grokjax.tasks.vocabulary import Batch, integer


@dataclasses.dataclass(frozen=True)
class Induction:
    """Uniform tokens in which one random piece repeats; the last copy is predicted from those before it.

    Token 0 is in front, then come tokens 1 ... vocabulary - 1, cut into `num_repeats` stretches. The piece
    occurs in each stretch at a random place, in the last at its end. All tokens of the last copy are answers
    but the first, which nothing tells: column i is the (i + 2)nd token of the piece.

    vocabulary: token ids, with the 0
    length: tokens of the sequence with the last, which nothing reads
    piece_length: tokens of the piece
    num_repeats: copies of the piece
    batch_size: examples of a step; None, for a finite table only, takes the whole training set
    num_examples, table_seed: a finite table of so many examples, drawn from the seed; None: fresh batches
    """

    vocabulary: int = 128
    length: int = 85
    piece_length: int = 16
    num_repeats: int = 3
    batch_size: int | None = 128
    num_examples: int | None = None
    table_seed: int = 0

    def __post_init__(self):
        require_types(self)
        at_least("vocabulary", self.vocabulary, 3)
        at_least("num_repeats", self.num_repeats, 2)
        at_least("piece_length", self.piece_length, 2)
        at_least("length", self.length, 1 + self.num_repeats * self.piece_length)
        tables.check(self)

    base = 0
    order = "msb"

    @property
    def num_positions(self) -> int:
        """P."""
        return self.length - 1

    @property
    def num_outputs(self) -> int:
        """Logits at each position that is read."""
        return self.vocabulary

    @property
    def read(self) -> tuple[int, ...]:
        """The positions whose logits are scored: the last copy but for its last token."""
        return tuple(range(self.length - self.piece_length, self.length - 1))

    @property
    def tokens_at(self) -> tuple[range, ...]:
        """For each position the ids that can stand there: 0 at the front, all others after it."""
        return (range(1),) + (range(1, self.vocabulary),) * (self.num_positions - 1)

    @property
    def columns(self) -> tuple[int, ...]:
        """One metrics column for each place in the piece."""
        return tuple(range(self.piece_length - 1))

    @property
    def finite(self) -> bool:
        """Whether there is a table."""
        return self.num_examples is not None

    @property
    def num_problems(self) -> int:
        """At least so many different sequences."""
        return (self.vocabulary - 1) ** (self.length - 1 - (self.num_repeats - 1) * self.piece_length)

    @functools.partial(jax.jit, static_argnums=(0, 2))
    def batch(self, key: PRNGKeyArray, size: int | None = None) -> Batch:
        """`size` (else batch_size) fresh examples."""
        size = tables.size_of(self, size)
        key_filler, key_piece, key_starts = random.split(key, 3)
        filler = 1 + below(key_filler, (size, self.length), self.vocabulary - 1)
        piece = 1 + below(key_piece, (size, self.piece_length), self.vocabulary - 1)
        stretch = (self.length - 1) // self.num_repeats
        free = below(key_starts, (size, self.num_repeats - 1), stretch - self.piece_length + 1)
        last = jnp.full((size, 1), self.length - self.piece_length)
        return self.encode(
            filler, piece, jnp.concatenate([1 + stretch * jnp.arange(self.num_repeats - 1) + free, last], 1)
        )

    def encode(
        self, filler: Int[Array, "B length"], piece: Int[Array, "B piece"], starts: Int[Array, "B repeats"]
    ) -> Batch:
        """The examples with a piece written over the filler at each of its starts; token 0 is in front."""
        place = jnp.arange(self.length) - starts[..., None]
        inside = (place >= 0) & (place < self.piece_length)
        which = jnp.where(inside, place, 0).sum(1)
        tokens = jnp.where(inside.any(1), jnp.take_along_axis(piece, which, 1), filler).at[:, 0].set(0)
        return Batch(tokens[:, :-1], tokens[:, -(self.piece_length - 1) :])

    def table(self) -> Batch:
        """`num_examples` different sequences, drawn from table_seed, as numpy arrays."""
        return tables.finite(self)

    def exact_levels(self) -> Levels:
        """The loss of knowing nothing but which tokens occur."""
        return exact.uniform(self.vocabulary - 1, self.columns)

    def show(self, tokens: Int[Array, " P"], labels: Int[Array, " C"] | None = None) -> str:
        """The text of one example, token ids with spaces between; `labels` adds the last token."""
        return " ".join(str(int(token)) for token in [*tokens, *([] if labels is None else labels[-1:])])


@dataclasses.dataclass(frozen=True)
class SkipTrigram:
    """A ... B -> C: one trigger A among fillers, a query B at the end, and the answer C predicted at B.

    For each query the answers are a permutation of the triggers, so neither A nor B alone tells C. Ids:
    triggers, queries, fillers. The loss begins near ln(num_triggers), as in the released curve (2.37 for
    ln 10 = 2.30), and can reach 0.

    num_triggers: tokens A, of which one occurs; as many outputs
    num_queries: tokens B
    num_fillers: tokens that fill the other places
    length: tokens of the sequence, with B
    batch_size: examples of a step; None, for a finite table only, takes the whole training set
    num_examples, table_seed: a finite table of so many examples, drawn from the seed; None: fresh batches
    rule_seed: what the answers are drawn from
    """

    num_triggers: int = 10
    num_queries: int = 1
    num_fillers: int = 10
    length: int = 20
    batch_size: int | None = 128
    num_examples: int | None = None
    table_seed: int = 0
    rule_seed: int = 0

    def __post_init__(self):
        require_types(self)
        at_least("num_triggers", self.num_triggers, 2)
        at_least("num_queries", self.num_queries, 1)
        at_least("num_fillers", self.num_fillers, 1)
        at_least("length", self.length, 2)
        integer("rule_seed", self.rule_seed, 0)
        tables.check(self)

    base = 0
    order = "msb"
    columns = (0,)

    @property
    def vocabulary(self) -> int:
        """The number of token ids."""
        return self.num_triggers + self.num_queries + self.num_fillers

    @property
    def num_positions(self) -> int:
        """P."""
        return self.length

    @property
    def num_outputs(self) -> int:
        """Logits at the position that is read."""
        return self.num_triggers

    @property
    def read(self) -> tuple[int, ...]:
        """The position whose logits are scored, the last."""
        return (self.length - 1,)

    @property
    def tokens_at(self) -> tuple[range, ...]:
        """For each position the ids that can stand there: a query at the last, all else before it."""
        return (range(self.vocabulary),) * (self.length - 1) + (
            range(self.num_triggers, self.num_triggers + self.num_queries),
        )

    @property
    def finite(self) -> bool:
        """Whether there is a table."""
        return self.num_examples is not None

    @property
    def num_problems(self) -> int:
        """How many different sequences there are."""
        return (
            self.num_queries * self.num_triggers * (self.length - 1) * self.num_fillers ** (self.length - 2)
        )

    @property
    def rules(self) -> Int[np.ndarray, "queries triggers"]:
        """The answer C to each query B and trigger A."""
        identity = np.tile(np.arange(self.num_triggers, dtype=np.int32), (self.num_queries, 1))
        return np.random.default_rng(self.rule_seed).permuted(identity, axis=1)

    @functools.partial(jax.jit, static_argnums=(0, 2))
    def batch(self, key: PRNGKeyArray, size: int | None = None) -> Batch:
        """`size` (else batch_size) fresh examples."""
        size = tables.size_of(self, size)
        keys = random.split(key, 4)
        first_filler = self.num_triggers + self.num_queries
        limits = self.num_triggers, self.num_queries, self.length - 1
        trigger, query, place = (
            below(key, (size, 1), limit) for key, limit in zip(keys[:3], limits, strict=True)
        )
        filler = first_filler + below(keys[3], (size, self.length), self.num_fillers)
        position = jnp.arange(self.length)
        tokens = jnp.where(
            position == place,
            trigger,
            jnp.where(position == self.length - 1, self.num_triggers + query, filler),
        )
        return Batch(tokens, jnp.asarray(self.rules)[query, trigger])

    def table(self) -> Batch:
        """`num_examples` different sequences, drawn from table_seed, as numpy arrays."""
        return tables.finite(self)

    def exact_levels(self) -> Levels:
        """The loss of knowing nothing: every answer is as frequent."""
        return exact.uniform(self.num_triggers, self.columns)

    def show(self, tokens: Int[Array, " P"], labels: Int[Array, " 1"] | None = None) -> str:
        """The text of one example: triggers A0 ..., queries B0 ..., fillers as dots; C0 ... if given."""
        names = (
            [f"A{i}" for i in range(self.num_triggers)]
            + [f"B{i}" for i in range(self.num_queries)]
            + ["."] * self.num_fillers
        )
        text = " ".join(names[int(token)] for token in tokens)
        return text if labels is None else f"{text} -> C{int(labels[0])}"
