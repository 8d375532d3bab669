"""n-digit addition in every format of the notes: any mode, base, order, length and cascade class."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, ArrayLike, Bool, Int, PRNGKeyArray

from grokjax.config import at_least, one_of
from grokjax.config.annotations import require_types
from grokjax.tasks import addition_options, exact, layout, sampling, tables
from grokjax.tasks.draws import below
from grokjax.tasks.protocol import Levels
from grokjax.tasks.vocabulary import Batch, integer


@dataclasses.dataclass(frozen=True)
class Addition:
    """Problems a + b of uniform, independent digits: `1 2 3 4 5 + 6 7 8 9 0 = 0 8 0 2 3 5`, a symbol a token.

    num_digits: digits of each operand
    base: of the digits, 2 to 36
    order: msb | lsb: the answer's most or least significant digit first; operands are written msb first
    mode: sequence (teacher-forced, the logits before an answer digit predict it) | single (`digit` is
      predicted at `=`) | parallel (every digit is predicted at `=`, by a slice of the logits each)
    digit: the one that mode=single predicts, 0 = units
    batch_size: examples of a step; None, for a finite task only, takes the whole training set
    leading: whether the answer shows the digit above the operands'
    outputs: digits | tokens: what there are logits for
    carry: False adds each column mod base; the answer has n digits
    num_examples: a finite table of so many different problems; None: fresh batches without end
    table_seed: what the problems of a finite table are drawn from
    held_out: digit pairs (a, b) that occur in no column
    held_out_shown: instead, they occur in at least one column of every problem
    lengths: each operand's length is drawn from these (None: num_digits); padded on the left, the answer in
      full
    relabel: a seed that permutes the digits' token ids, in what is read and in what is predicted
    scratchpad: the carries into columns 1 ... n are written and predicted before the answer, units first
    hints: a token that names the column stands before each digit (Zhou et al., 2310.16028); in the answer it
      is given, and predicts
    cascade: only problems of this carry class, 0 ... n, see `sampling`
    """

    num_digits: int = 5
    base: int = 10
    order: str = "msb"
    mode: str = "sequence"
    digit: int | None = None
    batch_size: int | None = 256
    leading: bool = True
    outputs: str = "digits"
    carry: bool = True
    num_examples: int | None = None
    table_seed: int = 0
    held_out: tuple[tuple[int, int], ...] = ()
    held_out_shown: bool = False
    lengths: tuple[int, ...] | None = None
    relabel: int | None = None
    scratchpad: bool = False
    hints: bool = False
    cascade: int | None = None

    def __post_init__(self):
        require_types(self)
        at_least("num_digits", self.num_digits, 1)
        integer("base", self.base, 2, 36)
        one_of("order", self.order, ("msb", "lsb"))
        one_of("mode", self.mode, ("sequence", "single", "parallel"))
        one_of("outputs", self.outputs, ("digits", "tokens"))
        addition_options.check_format(self)
        addition_options.check_problems(self)
        tables.check(self)

    # sizes of the format
    @property
    def num_answer_digits(self) -> int:
        """n + 1 with the leading digit, else n."""
        return self.num_digits + (self.leading and self.carry)

    @property
    def num_hints(self) -> int:
        """How many hint tokens there are: one for every column that is written."""
        return self.hints * (self.num_digits + (self.scratchpad or self.num_answer_digits > self.num_digits))

    @property
    def pad(self) -> int:
        """The id of the pad, where operands differ in length."""
        return self.base + 2

    def hint(self, column: int) -> int:
        """The id of the hint of a column, 0 = units."""
        return self.base + 2 + (self.lengths is not None) + column

    @property
    def vocabulary(self) -> int:
        """The number of token ids; base + 2 unless an option needs more."""
        return self.hint(0) + self.num_hints

    @property
    def num_prompt(self) -> int:
        """The number of tokens up to and with `=`."""
        return 2 * self.num_digits * (1 + self.hints) + 2

    @property
    def num_positions(self) -> int:
        """P: all tokens but the last answer, which nothing reads."""
        return self.num_prompt + (len(self.columns) * (1 + self.hints) - 1 if self.mode == "sequence" else 0)

    @property
    def num_outputs(self) -> int:
        """Logits at each position that is read."""
        symbols = self.base if self.outputs == "digits" else self.vocabulary
        return symbols * (len(self.columns) if self.mode == "parallel" else 1)

    @property
    def read(self) -> tuple[int, ...]:
        """The positions whose logits are scored."""
        if self.mode != "sequence":
            return (self.num_prompt - 1,)
        width = 1 + self.hints
        return tuple(self.num_prompt - 2 + width * (i + 1) for i in range(len(self.columns)))

    @property
    def tokens_at(self) -> tuple[range, ...]:
        """For each position the ids that can stand there: all digits', or one."""
        return layout.tokens_at(self)

    @property
    def columns(self) -> tuple[int, ...]:
        """The metrics column of each answer in reading order: digit k is k, the carry into k comes after the
        digits.
        """
        if self.mode == "single":
            return (0,)
        answer = range(self.num_answer_digits)
        carries = (
            range(self.num_answer_digits, self.num_answer_digits + self.num_digits) if self.scratchpad else ()
        )
        return (*carries, *(answer if self.order == "lsb" else reversed(answer)))

    # problems
    @property
    def finite(self) -> bool:
        """Whether there is a table."""
        return self.num_examples is not None

    @property
    def num_problems(self) -> int:
        """How many different problems there are, exactly."""
        if self.cascade is not None:
            return sampling.count(self.cascade, self.num_digits, self.base)
        if self.lengths is not None:
            return sum(self.base**length for length in set(self.lengths)) ** 2
        everything, without = (
            self.base ** (2 * self.num_digits),
            (self.base**2 - len(self.held_out)) ** self.num_digits,
        )
        return everything - without if self.held_out_shown else without

    def at_lengths(self, lengths: tuple[int, ...]) -> "Addition":
        """The same task at other operand lengths, to test what was never trained."""
        if self.lengths is None:
            raise ValueError(
                "lengths=None: this task has no pad token; give the lengths of training when it is made"
            )
        return dataclasses.replace(self, lengths=lengths)

    def with_held_out(self) -> "Addition":
        """The same task on problems that contain a held-out pair, to test what was never trained."""
        return dataclasses.replace(self, held_out_shown=True)

    @functools.partial(jax.jit, static_argnums=(0, 2))
    def batch(self, key: PRNGKeyArray, size: int | None = None) -> Batch:
        """`size` (else batch_size) fresh examples; a finite task has them too, drawn from the same law as its
        table.
        """
        return layout.encode(self, *self.problems(key, tables.size_of(self, size)))

    def problems(
        self, key: PRNGKeyArray, size: int
    ) -> tuple[Int[Array, "B n"], Int[Array, "B n"], Int[Array, "2 B"] | None]:
        """Fresh operands a, b, digit k (0 = units) at index k, and their lengths (None: full)."""
        n, key, key_length = self.num_digits, *random.split(key)
        if self.cascade is not None:
            return *sampling.draw(key, self.cascade, n, self.base, size), None
        if self.held_out:
            drawn = sampling.draw_with_held_out if self.held_out_shown else sampling.draw_without_held_out
            return *drawn(key, _mask(self), n, size), None
        # one draw a column serves both digits
        a, b = jnp.divmod(below(key, (size, n), self.base**2), self.base)
        if self.lengths is None:
            return a, b, None
        lengths = jnp.asarray(self.lengths)[below(key_length, (2, size), len(self.lengths))]
        return *jnp.where(jnp.arange(n) < lengths[..., None], jnp.stack([a, b]), 0), lengths

    def encode(self, a: ArrayLike, b: ArrayLike, lengths: Int[Array, "2 B"] | None = None) -> Batch:
        """The examples of given operands [B, n], digit k (0 = units) at index k, 0 above an operand's length
        where lengths are given.
        """
        return layout.encode(self, jnp.asarray(a), jnp.asarray(b), lengths)

    def table(self) -> Batch:
        """Every example of a finite task as numpy arrays: all problems in row order (a, then b), or
        `num_examples` drawn ones.
        """
        return tables.addition(self)

    def exact_levels(self) -> Levels:
        """The exact losses of each column, given what a predictor may know; none where digits are not
        uniform."""
        return exact.addition(self)

    # for people
    def show(self, tokens: Int[Array, " P"], labels: Int[Array, " C"] | None = None) -> str:
        """The text of one example, "12345+67890=080235"; `labels` adds what the tokens do not hold, dots the
        digits not asked for.
        """
        return layout.show(self, tokens, labels)

    def parse(self, text: str) -> Batch:
        """The example of a problem as people write it, "12345+67890", of any length up to num_digits."""
        a, b, lengths = layout.read(self, text)
        return self.encode(a, b, None if self.lengths is None else jnp.asarray(lengths))


DigitwiseAddition = functools.partial(Addition, carry=False)
"""Addition without carries, each column mod base: the addition table alone."""


def _mask(task: Addition) -> Bool[np.ndarray, "base base"]:
    """True at the held-out pairs."""
    mask = np.zeros((task.base, task.base), bool)
    mask[tuple(np.array(task.held_out).T)] = True
    return mask
