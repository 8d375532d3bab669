"""The atlas against brute force over every pair of operands, and the numbers of the notes to their printed
digits.
"""

import itertools

import numpy as np
import pytest

from grokjax.theory import levels


def conditional_entropy(answer, *known):
    """H(answer | known) over equally likely rows, from nothing but counting."""
    code = np.zeros(len(answer), np.int64)
    for column in known:
        code = np.unique(code * (int(column.max()) + 1) + column, return_inverse=True)[1]
    joint = np.zeros((code.max() + 1, answer.max() + 1))
    np.add.at(joint, (code, answer), 1)
    total = np.broadcast_to(joint.sum(1, keepdims=True), joint.shape)
    seen = joint > 0
    return float((joint[seen] * np.log(total[seen] / joint[seen])).sum() / len(answer))


def brute_force(base, num_digits, order, mode):
    """Every level by enumeration: {(digit, known): nats} for every name that has a meaning."""
    operands = np.array(list(itertools.product(range(base), repeat=2 * num_digits)))
    x, y = operands[:, :num_digits].T, operands[:, num_digits:].T  # column 0 = units
    total = sum((x[k] + y[k]) * base**k for k in range(num_digits))
    answers = [total // base**k % base for k in range(num_digits + 1)]
    multiset = sum((operands == digit).sum(1) * (2 * num_digits + 1) ** digit for digit in range(base))
    levels = {}
    for k, answer in enumerate(answers):
        leading = k == num_digits
        own = {} if leading else {"digit_pair": [x[k], y[k]]}
        lower = {f"lower:{j}": [*x[k - j : k], *y[k - j : k]] for j in range(1, k + 1)}
        written = list(range(k + 1, num_digits + 1)) if order == "msb" else list(range(k - 1, -1, -1))
        seen = [answers[i] for i in written]
        sets = {"nothing": [], "digit_sum": [operands.sum(1)], "digit_multiset": [multiset], **own}
        prefix, pair = ("", []) if leading else ("digit_pair+", own["digit_pair"])
        sets |= {prefix + name: pair + columns for name, columns in lower.items()}
        if k:
            sets[prefix + "one_lower_digit"] = [*pair, y[k - 1]]
        if mode == "sequence":
            sets["answer_so_far"] = seen
            if not leading:
                sets["answer_so_far+digit_pair"] = seen + pair
            if not (leading and order == "msb"):
                sets |= {
                    f"answer_so_far+{prefix}{name}": seen + pair + columns for name, columns in lower.items()
                }
                if seen:
                    sets[prefix + "previous_answer"] = [
                        *pair,
                        answers[min(written) if order == "msb" else max(written)],
                    ]
            if order == "msb" and k + 1 < num_digits:
                sets["answer_so_far+digit_pair+pair_above"] = [*seen, *pair, x[k + 1], y[k + 1]]
        levels |= {(k, name): conditional_entropy(answer, *known) for name, known in sets.items()}
    return levels


@pytest.mark.parametrize("base", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("num_digits", [1, 2, 3])
def test_atlas_is_brute_force(base, num_digits):
    for order, mode in itertools.product(levels.ORDERS, ("sequence", "single")):
        expected = brute_force(base, num_digits, order, mode)
        found = {(row.digit, row.known): row.nats for row in levels.atlas(base, num_digits, order, mode)}
        assert found.keys() == expected.keys()
        wrong = {key: (found[key], expected[key]) for key in found if abs(found[key] - expected[key]) > 1e-12}
        assert not wrong


@pytest.fixture(scope="module")
def five_digits():
    """{(order, digit, known): nats} for 5 digits, base 10."""
    return {
        (order, row.digit, row.known): row.nats
        for order in levels.ORDERS
        for row in levels.atlas(10, 5, order)
    }


NUMBERS = {
    "digit_pair": {1: 0.6881, 2: 0.6931, 3: 0.6931, 4: 0.6931},
    "digit_pair+lower:1": {2: 0.0688, 3: 0.0693, 4: 0.0693},
    "digit_pair+one_lower_digit": {1: 0.491187, 2: 0.503722, 3: 0.503828},
    "answer_so_far+digit_pair+pair_above": {1: 0.619325, 2: 0.623787, 3: 0.623832},
    "answer_so_far+digit_pair": {3: 0.691882, 2: 0.693079, 1: 0.688139},
    "answer_so_far": {4: 2.113267, 5: 0.693},
    "digit_sum": {5: 0.604217},
    "digit_multiset": {5: 0.599552},
    "lower:1": {5: 0.0693},
}
"""What the notes print for most significant first, 5 digits, base 10."""
LEAST_FIRST = {
    "digit_pair+previous_answer": {1: 0.491187, 2: 0.503722, 3: 0.503828},
    "answer_so_far+digit_pair": {1: 0.491187, 2: 0.499873, 3: 0.499998},
}


@pytest.mark.parametrize(
    ("order", "known", "digit", "printed"),
    [
        (order, known, digit, printed)
        for order, table in (("msb", NUMBERS), ("lsb", LEAST_FIRST))
        for known, digits in table.items()
        for digit, printed in digits.items()
    ],
)
def test_printed_numbers(five_digits, order, known, digit, printed):
    decimals = len(repr(printed).split(".")[1])
    assert round(five_digits[order, digit, known], decimals) == printed


@pytest.mark.parametrize(
    ("num_digits", "digit_sum", "digit_multiset"),
    [(2, 0.434602, 0.393283), (3, 0.535066, 0.518057), (4, 0.579309, 0.571084), (5, 0.604217, 0.599552)],
)
def test_leading_digit_depends_on_the_number_of_digits(num_digits, digit_sum, digit_multiset):
    found = {row.known: row.nats for row in levels.atlas(10, num_digits) if row.digit == num_digits}
    assert round(found["digit_sum"], 6) == digit_sum
    assert round(found["digit_multiset"], 6) == digit_multiset


def test_one_digit_after_the_leading_one_of_one_column():
    first = next(row for row in levels.atlas(10, 1) if (row.digit, row.known) == (0, "answer_so_far"))
    assert round(first.nats, 6) == 2.105633


def test_leading_digit_that_knows_the_column_below_in_part():
    """001-71 and the one digit of 001-62."""
    found = {row.known: row.nats for row in levels.named(10, 5) if row.digit == 5}
    assert round(found["lower:2"], 5) == 0.00693
    assert round(found["one_lower_digit"], 3) == 0.504


@pytest.mark.parametrize("order", levels.ORDERS)
def test_more_knowledge_never_hurts(order):
    """The sets of the atlas are ordered by inclusion; their levels must be, the other way round, beyond where
    anything is enumerated.
    """
    found = {(row.digit, row.known): row for row in levels.atlas(7, 23, order)}
    names = {known: set(known.split("+")) for _, known in found}
    for name in names:  # more columns below include fewer
        if "lower:" in name:
            names[name] |= {f"lower:{j}" for j in range(1, int(name.split("lower:")[1]))}
        names[name] -= {"nothing"}
    compared = 0
    for (digit, less), low in found.items():
        for (other, more), high in found.items():
            if digit == other and names[less] < names[more]:
                assert high.nats <= low.nats + 2e-15 + (high.bound or 0) + (low.bound or 0)
                compared += 1
    assert compared > 3000


def test_twenty_digits_have_bounds_where_they_cannot_be_enumerated():
    rows = levels.atlas(10, 20)
    assert all(np.isfinite(row.nats) for row in rows)
    summed = [row.bound or 0 for row in rows if row.known != "digit_multiset"]
    assert 0 < max(summed) < 1e-14
    assert all(0 < row.bound < 0.006 for row in rows if row.known == "digit_multiset")


def test_levels_of_a_digit_do_not_depend_on_columns_above_it():
    short, long = (
        {(row.digit, row.known): row.nats for row in levels.named(10, n, "msb", "single")} for n in (6, 40)
    )
    shared = [key for key in short if key[0] < 6 and "sum" not in key[1]]
    assert shared and all(short[key] == long[key] for key in shared)


def test_rows_as_json_have_a_bound_only_where_there_is_one():
    assert levels.Level(2, "digit_pair", 0.5).row() == {"digit": 2, "known": "digit_pair", "nats": 0.5}
    assert levels.Level(2, "digit_multiset", 0.5, 0.1).row() == {
        "digit": 2,
        "known": "digit_multiset",
        "nats": 0.5,
        "bound": 0.1,
    }


def test_nearest_levels_of_a_measured_shelf():
    rows = levels.named(10, 2, mode="single", outputs="tokens")
    assert [row.known for row in levels.nearest(rows, 1, 0.70, count=2)] == [
        "digit_pair",
        "digit_pair+one_lower_digit",
    ]
    assert levels.nearest(rows, 1, 2.48, count=1)[0] == levels.Level(1, "any_token", float(np.log(12)))
    assert {row.known for row in rows} >= {"nothing", "digit_sum", "any_token"} and "digit_multiset" not in {
        row.known for row in rows
    }


def test_digitwise_addition_by_brute_force():
    operands = np.array(list(itertools.product(range(3), repeat=4)))
    answer = (operands[:, 0] + operands[:, 2]) % 3
    found = {(row.digit, row.known): row.nats for row in levels.digitwise(3, 2)}
    for digit in (0, 1):
        assert found[digit, "digit_sum"] == pytest.approx(
            conditional_entropy(answer, operands.sum(1)), abs=1e-12
        )
        assert found[digit, "digit_pair"] == 0
        assert found[digit, "nothing"] == found[digit, "answer_so_far"] == pytest.approx(np.log(3))
    assert (2, "nothing") not in found


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((99, 5), "base=99"),
        ((1, 5), "base=1"),
        ((10, 0), "num_digits=0"),
        ((10, 2.0), "num_digits=2.0"),
        ((True, 2), "base=True"),
        ((10, 5, "mbs"), "order='mbs'"),
        ((10, 5, "msb", "sequenc"), "mode='sequenc'"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        levels.atlas(*arguments)
