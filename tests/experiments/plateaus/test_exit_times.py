"""The law of exits, on planted exits: one power, two powers, none; two growths; runs that have not left."""

import math

import numpy as np
import pytest

from experiments.frame import result
from experiments.plateaus import exit_answers, exit_law, exit_times
from experiments.plateaus.exit_law import Cell
from grokjax.curves.statistics import Interval, Times

DRAWS = 40
TASKS = [(base, n) for n in (2, 3, 4, 5) for base in (3, 5, 10)] + [(7, 3), (16, 3)]


def planted(powers=(0.5, 0.5), length=lambda n: 0.5 * n, bend=0.0, spread=0.2, until=1e6, seed=1, runs=8):
    """Exits of the digits 0 and 1, log-normal about the law; `bend` curves it in ln b."""
    random, cells = np.random.default_rng(seed), []
    for base, n in TASKS:
        for digit in range(min(n - 1, 2)):
            x = math.log(base)
            mean = 3 + powers[digit] * x + length(n) + bend * (x - 1.6) ** 2
            step = np.exp(mean + spread * random.standard_normal(runs))
            cells.append(Cell(base, n, digit, Times(np.minimum(step, until), step <= until), until))
    return cells


def answered(cells):
    """The whole answer to 001-15, as the page would show it."""
    laws = [exit_law.law(exit_law.of_digit(cells, digit), DRAWS) for digit in (0, 1)]
    powers = exit_times.powers(cells, DRAWS)
    return result.check(exit_answers.its_law(cells, laws, powers, {"width 1": powers, "width 2": powers}))


def test_one_planted_law_is_confirmed_with_its_growth():
    found = answered(planted())
    assert found.verdict == "confirmed" and "exponentially in the length" in found.sentence
    assert found.rows["power_0"].low < 0.5 < found.rows["power_0"].high
    assert found.rows["factor_1"].value == pytest.approx(math.exp(0.5), rel=0.1)
    assert found.rows["explained_0"].value > 0.9 and "overlap" in found.caveats[-1]


def test_two_planted_powers_are_two():
    found = answered(planted(powers=(0.3, 1.0), length=lambda n: 1.6 * math.log(n)))
    assert found.verdict == (
        "mixed: at each length a power of the base fits both digits; "
        "each digit has a power of the base of its own"
    )
    assert "as a power of the length" in found.sentence
    assert found.rows["power_difference"].value == pytest.approx(0.7, abs=0.1)


def test_what_is_no_power_of_the_base_is_found():
    found = answered(planted(bend=0.8))
    assert found.verdict == "refuted" and found.sentence.startswith("No power of the base")


def test_a_length_that_goes_up_and_down_is_no_growth():
    found = answered(planted(length=lambda n: {2: 0.0, 3: 1.0, 4: 0.6, 5: 1.6}[n]))
    assert found.verdict.startswith("mixed: ") and "neither growth in the length fits" in found.verdict


def test_growths_within_the_error_are_not_told_apart():
    found = answered(planted(spread=0.8))
    assert "form in the length is undecided" in found.sentence


def test_runs_that_have_not_left_do_not_bias_the_power():
    cells = [cell for cell in planted(until=350.0, runs=60, spread=0.4) if cell.digit == 0]
    assert 0.2 < 1 - np.mean([cell.times.ended.mean() for cell in cells]) < 0.5
    assert exit_law.power(cells) == pytest.approx(0.5, abs=0.06)
    seen = [np.log(cell.times.time[cell.times.ended]).mean() for cell in cells if cell.times.ended.any()]
    kept = [cell for cell in cells if cell.times.ended.any()]
    dropped = np.linalg.lstsq(exit_law.free_lengths(kept), np.array(seen), rcond=None)[0][0]
    assert dropped < 0.4


def test_the_slopes_of_the_fit_are_those_of_its_likelihood():
    cells = planted(until=250.0, runs=30, spread=0.4)[:8]
    best = exit_law.fit(cells, exit_law.free_lengths)
    # no step from it along a feature makes the exits likelier
    for column in exit_law.free_lengths(cells).T:
        for step in (-0.05, 0.05):
            assert likelihood(cells, best.means + step * column, best.spreads) < best.likelihood


def likelihood(cells, means, spreads):
    lengths = sorted({cell.n for cell in cells})
    total = 0.0
    for cell, mean in zip(cells, means, strict=True):
        spread = spreads[lengths.index(cell.n)]
        for step, ended in zip(*cell.times, strict=True):
            off = (math.log(step) - mean) / spread
            density = -(off**2) / 2 - math.log(spread * math.sqrt(2 * math.pi))
            total += density if ended else math.log(math.erfc(off / math.sqrt(2)) / 2)
    return total


def test_too_few_exits_are_no_law():
    cells = planted(until=30.0)
    assert exit_law.law(exit_law.of_digit(cells, 0), DRAWS) is None
    found = result.check(exit_answers.its_law(cells, [None, None], exit_times.powers(cells, DRAWS), {}))
    assert found.verdict.startswith("open") and "b16_n3_digit_1" in found.rows


def law(digit, p_base, p_length, likelihood=(0.0, 0.0), explained=0.9):
    lack = lambda p: exit_law.Lack(1.0, 2, p)
    forms = dict(zip(exit_law.FORMS, likelihood, strict=True))
    lengths = {form: lack(p) for form, p in zip(exit_law.FORMS, p_length, strict=True)}
    rates = dict.fromkeys(exit_law.FORMS, Interval(0.5, 0.4, 0.6))
    return exit_law.Law(digit, rates, forms, lack(p_base), lengths, explained, {(3, 2): 9.0})


@pytest.mark.parametrize(
    ("first", "second", "difference", "said"),
    [
        (law(0, 0.5, (0.5, 0.5)), law(1, 0.5, (0.5, 0.5)), (-0.1, 0.2), "confirmed"),
        (law(0, 0.5, (0.5, 0.5)), law(1, 0.5, (0.5, 0.5)), (-0.1, 0.4), "open: "),
        (law(0, 0.5, (0.5, 0.5)), law(1, 0.001, (0.5, 0.5)), (0.5, 0.9), "mixed: a power of the base misses"),
        (law(0, 0.001, (0.5, 0.5)), law(1, 0.001, (0.5, 0.5)), (-0.1, 0.1), "refuted"),
        (law(0, 0.5, (0.5, 0.5), explained=0.5), law(1, 0.5, (0.5, 0.5)), (-0.1, 0.1), "mixed: "),
    ],
)
def test_the_verdict_follows_from_the_parts(first, second, difference, said):
    assert exit_answers.verdict([first, second], Interval(0.0, *difference)).startswith(said)


@pytest.mark.parametrize("p_length", [(0.5, 0.5), (0.5, 0.001), (0.001, 0.5), (0.001, 0.001)])
def test_a_sentence_names_the_digit_that_a_law_misses_and_is_short(p_length):
    said = exit_answers.its_sentence([law(0, 0.5, p_length), law(1, 0.001, p_length)])
    assert "(a misfit at digit 1)" in said and len(said.split()) <= result.MOST_WORDS
    assert not result.loose_numbers(said)


def test_growths_are_told_apart_from_a_difference_of_two_on():
    of = lambda gap, p=(0.5, 0.5): exit_answers.growth([law(0, 0.5, p, (gap, 0.0)), law(1, 0.5, (0.5, 0.5))])
    assert [of(1.9), of(2.1), of(-2.1)] == ["either", "exponential", "power"]
    assert of(-9.0, (0.001, 0.5)) == "power" and of(9.0, (0.001, 0.001)) == "neither"


def test_the_first_descent_is_judged_by_its_hundreds():
    def of(step, until):
        cells = [
            cell._replace(
                times=Times(np.full(8, float(min(step, until))), np.full(8, step < until)), until=until
            )
            for cell in planted()
            if (cell.base, cell.n) == (10, 5)
        ]
        return result.check(exit_answers.first_descent(cells, 128, 256)).verdict.partition(":")[0]

    assert [of(400, 1199), of(50, 1199), of(2000, 1199), of(900, 500)] == [
        "confirmed",
        "refuted",
        "refuted",
        "open",
    ]
