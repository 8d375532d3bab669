"""n-digit addition in every format of the notes: sequence, single-digit and parallel mode, any base, order,
length, cascade class.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, ArrayLike, Bool, Int, PRNGKeyArray

from grokjax.config import at_least, one_of
from grokjax.tasks import layout, sampling, tables
from grokjax.tasks.draws import below
from grokjax.tasks.vocabulary import Batch, integer


@dataclasses.dataclass(frozen=True)
class Addition:
    """Problems a + b of uniform, independent digits: `1 2 3 4 5 + 6 7 8 9 0 = 0 8 0 2 3 5`, a symbol a token.

    num_digits: of each operand;  base: 2 to 36
    order: of the answer, most (msb) or least (lsb) significant digit first; operands are always written msb
      first
    mode: sequence (teacher-forced: the logits before an answer digit predict it) | single (`digit`, 0 =
      units, is predicted at `=`)
        | parallel (every digit is predicted at `=`, by a slice of the logits each)
    batch_size: None, for a finite task only, takes the whole training set
    leading: whether the answer shows the digit above the operands';  carry: False adds each column mod base,
      n answer digits
    outputs: logits for the digits, or for all tokens
    num_examples: a finite table of so many different problems, drawn from table_seed; None: fresh batches
      without end
    held_out: digit pairs (a, b) that occur in no column; held_out_shown: instead, in at least one column of
      every problem
    lengths: each operand's length is drawn from these; padded on the left, the answer in full. None:
      num_digits
    relabel: a seed; the digits' token ids are permuted by it, in what is read and in what is predicted
    scratchpad: the carries into columns 1 ... n are written, and predicted, before the answer, least
      significant first
    hints: a token that names the column stands before each digit; in the answer it is given, and predicts
      (Zhou et al., 2310.16028)
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
        at_least("num_digits", self.num_digits, 1)
        integer("base", self.base, 2, 36)
        one_of("order", self.order, ("msb", "lsb"))
        one_of("mode", self.mode, ("sequence", "single", "parallel"))
        one_of("outputs", self.outputs, ("digits", "tokens"))
        _check_format(self)
        _check_problems(self)
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


def _check_format(task: Addition) -> None:
    """Refuse formats that contradict themselves."""
    if task.mode == "single":
        if task.digit is None:
            raise ValueError(
                f"digit=None: mode='single' needs the digit to predict, 0 (units) to {task.num_answer_digits - 1}"
            )
        integer("digit", task.digit, 0, task.num_answer_digits - 1)
    elif task.digit is not None:
        raise ValueError(
            f"digit={task.digit!r} is for mode='single' only; with mode={task.mode!r} it must be None"
        )
    for name in ("scratchpad", "hints"):
        if getattr(task, name) and task.mode != "sequence":
            raise ValueError(f"{name}=True needs mode='sequence', not mode={task.mode!r}")
    if task.scratchpad and not task.carry:
        raise ValueError("scratchpad=True needs carry=True: digitwise addition has no carries to write")
    if task.relabel is not None:
        at_least("relabel", task.relabel, 0)


def _check_problems(task: Addition) -> None:
    """Refuse sets of problems that are out of range, empty or contradict each other."""
    given = [name for name in ("held_out", "lengths", "cascade") if getattr(task, name) not in (None, ())]
    if len(given) > 1:
        raise ValueError(
            f"{given[0]}={getattr(task, given[0])} and {given[1]}={getattr(task, given[1])} cannot be combined; set one"
        )
    if task.cascade is not None:
        integer("cascade", task.cascade, 0, task.num_digits)
        if not task.carry:
            raise ValueError(f"cascade={task.cascade} needs carry=True: digitwise addition has no carries")
    if task.lengths is not None:
        if not isinstance(task.lengths, tuple) or not task.lengths:
            raise ValueError(
                f"lengths={task.lengths!r} must be a tuple of at least one operand length, or None"
            )
        for length in task.lengths:
            integer("lengths", length, 1, task.num_digits)
    _check_held_out(task)


def _check_held_out(task: Addition) -> None:
    """Refuse held-out pairs that are no digit pairs, or all of them."""
    if not isinstance(task.held_out, tuple) or any(
        not isinstance(pair, tuple) or len(pair) != 2 for pair in task.held_out
    ):
        raise ValueError(f"held_out={task.held_out!r} must be a tuple of digit pairs, ((a, b), ...)")
    for pair in task.held_out:
        for value in pair:
            integer("held_out", value, 0, task.base - 1)
    if len(set(task.held_out)) != len(task.held_out) or len(task.held_out) == task.base**2:
        raise ValueError(
            f"held_out={task.held_out} must name different pairs and leave at least one of the {task.base**2}"
        )
    if task.held_out_shown and not task.held_out:
        raise ValueError("held_out_shown=True needs held_out, the digit pairs to show")
