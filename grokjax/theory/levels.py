"""Exact shelves: the least loss of every answer digit of an addition, given what a predictor may know.

Notation:
  b, n: base and number of digits of each operand
  k: a column, 0 = units, n = the leading digit of the answer
  x_k, y_k: the digit pair of a column, uniform and independent
  C_k, c_k: the carry into column k, and its probability (1 − b^−k)/2
  h: the entropy of a coin;  T(m, c): `sums.carry_entropy`

What a predictor may know, by name; "+" joins several:
  nothing
  digit_sum, digit_multiset: of all digits of both operands
  digit_pair: the two operand digits of the column
  lower:J: the digit pairs of the J columns below
  one_lower_digit: one operand's digit of the column below
  pair_above: the digit pair of the column above
  previous_answer: the answer digit written just before
  answer_so_far: all answer digits that are visible
"""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from grokjax.theory import columns, multiset_bounds, multisets
from grokjax.theory.columns import carry_probability
from grokjax.theory.sums import Bounded, binary_entropy, carry_entropy

ORDERS = ("msb", "lsb")
MODES = ("sequence", "single", "parallel")
MOST_DIGITS = 100

Value = float | Bounded
Rows = Iterator[tuple[str, Value]]


class Level(NamedTuple):
    """The least loss of answer digit `digit` given `known`: `nats` to float64 rounding, or, where it is set,
    within the proven `bound`.
    """

    digit: int
    known: str
    nats: float
    bound: float | None = None

    def row(self) -> dict[str, Any]:
        """The level as a JSON object, `bound` only where there is one."""
        return {name: value for name, value in self._asdict().items() if value is not None}


def atlas(base: int, num_digits: int, order: str = "msb", mode: str = "sequence") -> list[Level]:
    """Every level of every answer digit, units first. Raises ValueError as `check` does.

    Where no answer is visible (modes single and parallel) the order of writing does not matter.
    """
    check(base, num_digits, order, mode)
    found = (
        multisets.losses(base, num_digits)
        if multisets.countable(base, num_digits)
        else multiset_bounds.losses(base, num_digits)
    )
    return _levels(base, num_digits, order, mode, {"digit_multiset": found})


def named(
    base: int, num_digits: int, order: str = "msb", mode: str = "sequence", *, outputs: str = "digits"
) -> list[Level]:
    """The atlas without its slow rows (`digit_multiset`): milliseconds at 5 digits, for what a measured shelf
    is compared with.

    With `outputs="tokens"` (12 logits in base 10) each digit has the row `any_token` besides: it knows not
    even what an answer digit is.
    """
    check(base, num_digits, order, mode)
    rows = _levels(base, num_digits, order, mode, {})
    if outputs == "tokens":
        rows += [Level(digit, "any_token", math.log(base + 2)) for digit in range(num_digits + 1)]
    return rows


def digitwise(base: int, num_digits: int, mode: str = "sequence") -> list[Level]:
    """The levels of addition without carries: each column is the sum of its digit pair mod base, and there is
    no leading digit.
    """
    check(base, num_digits, "msb", mode)
    sums = columns.digit_sum_losses_without_carries(base, num_digits)
    rows = []
    for digit in range(num_digits):
        known = {"nothing": math.log(base), "digit_sum": float(sums[digit]), "digit_pair": 0.0}
        if mode == "sequence":
            known["answer_so_far"] = math.log(base)
        rows += [Level(digit, name, nats) for name, nats in known.items()]
    return rows


def nearest(rows: list[Level], digit: int, nats: float, count: int = 3) -> list[Level]:
    """The `count` levels of `digit` nearest to a measured loss, nearest first."""
    return sorted((row for row in rows if row.digit == digit), key=lambda row: abs(row.nats - nats))[:count]


def check(base: int, num_digits: int, order: str, mode: str) -> None:
    """Raise a ValueError that names the first argument outside base 2-36, 1-100 digits, `ORDERS`, `MODES`."""
    if isinstance(base, bool) or not isinstance(base, int) or not 2 <= base <= 36:
        raise ValueError(f"base={base!r} must be an integer from 2 to 36")
    if isinstance(num_digits, bool) or not isinstance(num_digits, int) or not 1 <= num_digits <= MOST_DIGITS:
        raise ValueError(f"num_digits={num_digits!r} must be an integer from 1 to {MOST_DIGITS}")
    if order not in ORDERS:
        raise ValueError(f"order={order!r} must be one of {', '.join(ORDERS)}")
    if mode not in MODES:
        raise ValueError(f"mode={mode!r} must be one of {', '.join(MODES)}")


def _levels(
    base: int, num_digits: int, order: str, mode: str, together: dict[str, Sequence[Value]]
) -> list[Level]:
    """The rows of every digit; `together`: losses by digit, units first, given something of all digits."""
    answer = {"msb": _higher_answer, "lsb": _lower_answer}[order]
    together = {"digit_sum": columns.digit_sum_losses(base, num_digits).tolist(), **together}
    levels = []
    for digit in range(num_digits + 1):
        leading = digit == num_digits
        rows: list[tuple[str, Value]] = [
            ("nothing", binary_entropy(carry_probability(base, digit)) if leading else math.log(base))
        ]
        rows += [(name, losses[digit]) for name, losses in together.items()]
        rows += _pairs(base, digit, leading)
        if mode == "sequence":
            rows += answer(base, num_digits, digit)
        levels += [_level(digit, name, value) for name, value in rows]
    return levels


def _level(digit: int, known: str, value: Value) -> Level:
    return (
        Level(digit, known, value.nats, value.error or None)
        if isinstance(value, Bounded)
        else Level(digit, known, value)
    )


def _pairs(base: int, digit: int, leading: bool) -> Rows:
    """Operand digits alone: the carry is open where all J lower pairs sum to b−1 (chance b^−J), and is then
    that into column k−J.
    """
    own = "" if leading else "digit_pair+"
    for lower in range(leading, digit + 1):
        name = f"{own}lower:{lower}" if lower else "digit_pair"
        yield name, binary_entropy(carry_probability(base, digit - lower)) / base**lower
    if digit:
        yield f"{own}one_lower_digit", carry_entropy(base, carry_probability(base, digit - 1))


def _higher_answer(base: int, num_digits: int, digit: int) -> Rows:
    """Most significant first: a_n … a_{k+1} are q = ⌊(x + y)/b^{k+1}⌋, and q = X + Y + C_{k+1} with X, Y
    uniform below m = b^{n−1−k}.

    `answer_so_far`: H(q, a_k) − H(q), each ln m + T. With the digit pair: unless it sums to b−1, C_{k+1} is
      known and q says nothing of C_k; if it does, C_{k+1} = C_k = C, and `H(C | X+Y+C) = H(C) + H(X+Y) −
      H(X+Y+C) = h(c) + T(m, 0) − T(m, c)`.
    The pair above and its answer digit give C_{k+1}: the loss is 0 where the digit pair sums to b−1, h(c_k)
    elsewhere, whatever else is seen.
    """
    if digit == num_digits:
        yield "answer_so_far", binary_entropy(carry_probability(base, digit))
        return
    above = base ** (num_digits - 1 - digit)
    here, out = (
        carry_entropy(above * base, carry_probability(base, digit)),
        carry_entropy(above, carry_probability(base, digit + 1)),
    )
    yield "answer_so_far", _bounded(math.log(base) + here.nats - out.nats, here.error + out.error)
    for lower in range(digit + 1):
        name = "answer_so_far+digit_pair" + (f"+lower:{lower}" if lower else "")
        yield name, _open_carry(base, above, carry_probability(base, digit - lower), lower)
    alone = binary_entropy(carry_probability(base, digit))
    leading_is_previous = digit == num_digits - 1
    yield "digit_pair+previous_answer", alone * (1 - 1 / base) if leading_is_previous else alone
    if not leading_is_previous:
        yield "answer_so_far+digit_pair+pair_above", alone * (1 - 1 / base)


def _open_carry(base: int, above: int, carry: Fraction, lower: int) -> Value:
    """`b^−J [h(c) + (T(m, 0) − T(m, c))/b]` for the carry c into the lowest kndigit pair, J columns below."""
    if carry == 0:
        return 0.0
    free, taken = carry_entropy(above, Fraction(0)), carry_entropy(above, carry)
    nats = binary_entropy(carry) + (free.nats - taken.nats) / base
    return _bounded(nats / base**lower, (free.error + taken.error) / base ** (lower + 1))


def _lower_answer(base: int, num_digits: int, digit: int) -> Rows:
    """Least significant first: a_0 … a_{k−1} are (x + y) mod b^k, which is uniform and leaves T(b^k, 0) of
    the carry into column k open.

    The digit written before alone, a_{k−1}, leaves T(b, c_{k−1}), as one digit of its column does; with its
    pair it gives the carry.
    """
    carry = carry_entropy(base**digit, Fraction(0))
    leading = digit == num_digits
    yield "answer_so_far", carry if leading else math.log(base)
    if not leading:
        yield "answer_so_far+digit_pair", carry
    own = "" if leading else "digit_pair+"
    for lower in range(1, digit + 1):
        yield f"answer_so_far+{own}lower:{lower}", 0.0
    if digit:
        yield f"{own}previous_answer", carry_entropy(base, carry_probability(base, digit - 1))


def _bounded(nats: float, error: float) -> Bounded:
    """A sum of a few terms, one of which has a bound: float64 rounds each of them."""
    return Bounded(nats, error + 4 * math.ulp(1.0) if error else 0.0)
