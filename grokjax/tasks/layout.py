"""Where the symbols of an addition problem stand: the prompt, the answer in reading order, and their text for
people.

Arrays of digits have digit k (0 = units) at index k. Ids: digits 0 ... base - 1, `+` = base, `=` = base + 1,
then, only where an option needs them, the pad and one hint per column. `task` is an Addition.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int

from grokjax.tasks.vocabulary import SYMBOLS, Batch

Lengths = Int[Array, "2 B"]


def add(
    a: Int[Array, "B n"], b: Int[Array, "B n"], base: int
) -> tuple[Int[Array, "B n+1"], Int[Array, "B n"]]:
    """The digits of a + b, and the carries into columns 1 ... n; column by column, so that no number is ever
    too large.
    """

    def column(carry, pair):
        total = pair + carry
        carry = (total >= base).astype(total.dtype)
        return carry, (total - base * carry, carry)

    top, (low, carries) = lax.scan(
        column, jnp.zeros(a.shape[0], a.dtype), (a + b).T, unroll=min(8, a.shape[1])
    )
    return jnp.concatenate([low, top[None]]).T, carries.T


def permutation(task: Any) -> np.ndarray:
    """The token id of each digit."""
    identity = np.arange(task.base, dtype=np.int32)
    return identity if task.relabel is None else np.random.default_rng(task.relabel).permutation(identity)


def encode(task: Any, a: Int[Array, "B n"], b: Int[Array, "B n"], lengths: Lengths | None) -> Batch:
    """Tokens and labels of the problems a + b; operands are 0 above their length, where `lengths` has it."""
    labels = answers(task, a, b)
    if task.relabel is not None:
        a, b, labels = (jnp.asarray(permutation(task))[values] for values in (a, b, labels))
    source, places = _source(task, a, b), _prompt(task, lengths)
    prompt = source[:, places[0]] if lengths is None else jnp.take_along_axis(source, places, 1)
    if task.mode != "sequence":
        return Batch(prompt, labels)
    written = labels[..., None]
    if task.hints:
        hints = jnp.asarray([task.hint(column_of_sum(task, column)) for column in task.columns], jnp.int32)
        written = jnp.concatenate([jnp.broadcast_to(hints[:, None], written.shape), written], -1)
    return Batch(jnp.concatenate([prompt, written.reshape(len(labels), -1)[:, :-1]], 1), labels)


def answers(task: Any, a: Int[Array, "B n"], b: Int[Array, "B n"]) -> Int[Array, "B C"]:
    """What is to be predicted, in reading order, before any relabelling."""
    total, carries = add(a, b, task.base) if task.carry else ((a + b) % task.base, jnp.zeros_like(a))
    if task.mode == "single":
        return total[:, [task.digit]]
    by_column = total[:, : task.num_answer_digits]
    return (jnp.concatenate([by_column, carries], 1) if task.scratchpad else by_column)[
        :, np.array(task.columns)
    ]


def column_of_sum(task: Any, column: int) -> int:
    """The column of the sum that a metrics column belongs to: digits come first, then the carries into
    columns 1 ... n.
    """
    return column if column < task.num_answer_digits else column - task.num_answer_digits + 1


def _source(task: Any, a: Int[Array, "B n"], b: Int[Array, "B n"]) -> Int[Array, "B X"]:
    """All symbols that a prompt is gathered from: a, b, plus, equals, pad, hints."""
    signs = jnp.arange(task.base, task.vocabulary, dtype=a.dtype)
    return jnp.concatenate([a, b, jnp.broadcast_to(signs, (a.shape[0], signs.size))], 1)


def _prompt(task: Any, lengths: Lengths | None) -> Int[Array, "B Q"]:
    """For each place of the prompt the index of its symbol in `_source`, the same ([1, Q], numpy) for all of
    full length.

    Counted from the right: `=`, the second operand, `+`, the first, pads. So `=` never moves, whatever the
      lengths.
    """
    n, width = task.num_digits, 2 if task.hints else 1
    plus, equals, pad = 2 * n, 2 * n + 1, 2 * n + task.pad - task.base
    numpy = np if lengths is None else jnp
    length_a, length_b = (
        width * (np.full((1, 1), n) if lengths is None else lengths[i][:, None]) for i in range(2)
    )
    slot = np.arange(width * 2 * n, -1, -1)
    operand_b, at_plus, operand_a = slot < length_b, slot == length_b, slot <= length_a + length_b
    index = numpy.where(operand_b, slot, slot - length_b - 1)
    digit = index // width + numpy.where(operand_b, n, 0)
    if task.hints:
        # from the right a digit comes first, its hint second
        digit = numpy.where(index % 2 == 1, 2 * n + task.hint(0) - task.base + index // 2, digit)
    places = numpy.where(at_plus, plus, numpy.where(operand_b | operand_a, digit, pad))
    return numpy.concatenate([places, numpy.full((len(places), 1), equals)], 1)


def tokens_at(task: Any) -> tuple[range, ...]:
    """For each position the ids that can stand there: all digits', or one; where operands differ in length,
    anything before `=`.
    """
    digits, one = range(task.base), lambda token: range(token, token + 1)
    if task.lengths is None:
        signs = _prompt(task, None)[0] - 2 * task.num_digits
        prompt = [digits if sign < 0 else one(task.base + sign) for sign in signs.tolist()]
    else:
        prompt = [range(task.vocabulary)] * (task.num_prompt - 1) + [one(task.base + 1)]
    if task.mode != "sequence":
        return tuple(prompt)
    hints = [[one(task.hint(column_of_sum(task, column)))] if task.hints else [] for column in task.columns]
    return (*prompt, *[ids for hint in hints for ids in (*hint, digits)][:-1])


def show(task: Any, tokens: Int[Array, " P"], labels: Int[Array, " C"] | None = None) -> str:
    """The text of one example, "12345+67890=080235"; `labels` adds what the tokens do not hold, dots the
    digits not asked for.
    """
    names = [SYMBOLS[digit] for digit in np.argsort(permutation(task))] + ["+", "="]
    names += ["_"] * (task.lengths is not None) + [f"[{column}]" for column in range(task.num_hints)]
    text = "".join(names[int(token)] for token in np.asarray(tokens))
    if labels is None:
        return text
    answer = "".join(
        names[int(label)] for label in np.asarray(labels)[-1 if task.mode == "sequence" else 0 :]
    )
    if task.mode != "single":
        return text + answer
    before = task.digit if task.order == "lsb" else task.num_answer_digits - 1 - task.digit
    return text + "." * before + answer + "." * (task.num_answer_digits - 1 - before)


def read(task: Any, text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Operands a, b [1, n] and lengths [2, 1] of a problem as people write it, "12345+67890"."""
    operands = text.replace(" ", "").split("=")[0].lower().split("+")
    allowed = SYMBOLS[: task.base]
    if len(operands) != 2 or any(
        not 1 <= len(o) <= task.num_digits or set(o) - set(allowed) for o in operands
    ):
        raise ValueError(
            f"problem={text!r} must be two numbers of 1 to {task.num_digits} digits from {allowed} "
            "with a + between"
        )
    a, b = np.zeros((2, 1, task.num_digits), np.int32)
    for digits, operand in zip((a, b), operands, strict=True):
        digits[0, : len(operand)] = [allowed.index(symbol) for symbol in reversed(operand)]
    return a, b, np.array([[len(operand)] for operand in operands], np.int32)
