"""The rules of the experiments that look inside of runs come out either way, on planted measurements."""

import types

import numpy as np
import pytest

from experiments.frame import result, units
from experiments.mechanism import (
    carry_answers,
    carry_chains,
    carry_reading,
    circuit_answers,
    circuit_readers,
    held_out_answers,
    lens_answers,
    neurons_needed,
)
from experiments.mechanism.carry_directions import Compared
from experiments.mechanism.chain_ways import Ways
from grokjax.curves.statistics import Times
from grokjax.interp.directions import Alike

RANDOM = np.random.default_rng(0)
RUNS, COLUMNS, PROBLEMS = 16, 5, 1024
NEVER, SOON, LATE = (None, 300.0, 1500.0)


def times(at, runs=16, last=2500.0):
    """Times of runs about a step; None: they never get there."""
    steps = np.full(runs, last) if at is None else at + np.arange(runs)
    return Times(steps, np.full(runs, at is not None))


def verdict(found):
    return result.check(found).verdict


CLASSES = carry_reading.Classes(
    RANDOM.integers(2, size=(COLUMNS, PROBLEMS)),
    (RANDOM.random((COLUMNS, PROBLEMS)) < 0.1).astype(int),
    RANDOM.integers(2, size=(COLUMNS, PROBLEMS)),
)


def reads(right=0.999, nines=0.999, noise=0.01, of=(RUNS, 5)):
    """What probes read: shares of right answers, where the column below sums to 9 and else."""
    shape = (*of, COLUMNS, PROBLEMS)
    margin = 2 * CLASSES.carry - 1 + np.asarray(noise) * RANDOM.normal(size=shape)
    return carry_reading.Read(
        RANDOM.random(shape) < np.where(CLASSES.propagates, nines, right), RANDOM.random(shape) < 0.6, margin
    )


@pytest.mark.parametrize(
    ("right", "nines", "expected"),
    [(0.9995, 0.9995, "confirmed"), (0.9995, 0.93, "mixed"), (0.95, 0.9, "refuted")],
)
def test_carries_are_read_with_99_per_cent_everywhere_or_not_after_nines(right, nines, expected):
    built, number = carry_answers.accuracies(reads(right, nines), reads(of=()), CLASSES)
    assert verdict(built).startswith("built") and verdict(number).startswith(expected)


def test_the_balanced_accuracy_of_a_measured_number_is_the_mean_of_its_columns():
    right = reads(0.9, 0.9).right[:, 0]
    row = carry_reading.accuracy("x", right, CLASSES.carry)
    assert row.value == pytest.approx(carry_reading.balanced(right, CLASSES.carry).mean(), abs=1e-9)
    assert row.low < row.value < row.high < row.value + 0.02


def compared(between, transfer):
    table = lambda own, other: (
        np.array([[own, other], [other, own]]) + RANDOM.normal(size=(RUNS, COLUMNS, 2, 2)) * 0.01
    )
    back = table(0.99, 0.5)
    back[:, :, 1, 0] = transfer + RANDOM.normal(size=(RUNS, COLUMNS)) * 0.01
    return Compared(
        Alike(table(0.8, between), table(0.9, 0.5), table(0.9, 0.5), back), table(0.8, between), {}
    )


def test_sites_hold_a_carry_along_other_directions_and_a_probe_may_be_of_use_at_both():
    of = lambda between, transfer: verdict(carry_answers.directions(compared(between, transfer), 128))
    assert of(0.1, 0.5) == "confirmed" and of(0.8, 0.9) == "refuted"
    assert of(0.1, 0.9).startswith("mixed: confirmed that directions differ")


def test_attention_extracts_a_carry_whole_in_part_or_not():
    base, exact = 10, np.ones((RUNS, 2, 64), bool)

    def of(mid, held):
        noise = np.array([mid, 0.1, 0.1, held, 1.0])[None, :, None, None]
        return verdict(carry_answers.extracted(reads(noise=noise), exact, compared(0.1, 0.5), CLASSES, base))

    at_the_limit = float(np.sqrt(1 / carry_reading.linear_limit(base) - 1))
    assert of(0.01, at_the_limit) == "confirmed" and of(at_the_limit, at_the_limit) == "refuted"
    assert of(0.4, at_the_limit).startswith("mixed: confirmed that attention, by content")


def test_most_of_a_chain_goes_stepwise_or_not_in_the_runs_that_solve_it():
    of = lambda stepwise, right: verdict(
        carry_chains.on_ways(
            [
                Ways(
                    np.array([1 - stepwise, 0, stepwise]) + RANDOM.normal(size=(8, 3)) * 0.01,
                    np.full(8, right),
                )
                for _ in range(3)
            ]
        )
    )
    assert of(0.8, 1.0) == "confirmed" and of(0.2, 1.0) == "refuted" and of(0.8, 0.5).startswith("open")


def test_written_carries_help_in_both_orders_in_one_or_in_none():
    def of(msb, lsb, short=SOON):
        slow = {"msb": msb, "lsb": lsb}
        classes = {order: [times(short), times(short), times(at)] for order, at in slow.items()}
        classes |= {f"carries, {order}": [times(SOON)] * 3 for order in slow}
        return verdict(carry_chains.on_formats(classes, 2500))

    assert of(NEVER, LATE) == "confirmed" and of(SOON, SOON) == "refuted"
    assert of(NEVER, SOON).startswith("mixed: confirmed that most significant first solves the longest")


def test_the_reason_of_a_lens_is_the_basis_where_a_tuned_one_closes_the_gap():
    reading = lambda mid: types.SimpleNamespace(
        accuracy=np.stack(
            [np.zeros((RUNS, 6)), np.broadcast_to(mid, (RUNS, 6)), np.full((RUNS, 6), 0.99)], 1
        ),
        loss=np.ones((RUNS, 3, 6)),
    )
    guess, lying = np.array([0.5] + [0.1] * 5), types.SimpleNamespace(share=np.ones((RUNS, 3, 6)))
    of = lambda first, rest: np.array([first] + [rest] * 5)
    noise = lambda x: x + RANDOM.normal(size=(RUNS, 6)) * 0.003
    direct = reading(noise(of(0.52, 0.11)))
    reason = lambda first, rest: verdict(
        lens_answers.reason(direct, reading(noise(of(first, rest))), lying, guess, 4096, 0.07)
    )
    assert verdict(lens_answers.failure(direct, guess, 4096)) == "confirmed"
    assert reason(0.98, 0.9) == "confirmed" and reason(0.55, 0.2) == "refuted"
    assert reason(0.98, 0.2) == "mixed: confirmed of the leading digit, refuted of the others"


def test_what_is_never_shown_comes_by_itself_or_not():
    def of(shown, pairs, table, most=None):
        rest = table if most is None else most
        values = lambda at, *shape: np.clip(at + RANDOM.normal(size=shape) * 0.001, 0, 1)
        return verdict(
            held_out_answers.shown(
                23,
                {10: [values(shown, 16, 4), values(pairs, 16, 4)]},
                {0.3: [values(shown, 16), values(table, 16)], 0.9: [values(shown, 16), values(rest, 16)]},
                4000,
            )
        )

    assert of(1.0, 0.02, 0.1) == "confirmed" and of(1.0, 0.99, 0.99) == "refuted"
    assert of(1.0, 0.02, 0.99).startswith("mixed: confirmed of digit pairs; refuted")
    assert of(0.9, 0.02, 0.1).startswith("open")
    by_share = of(1.0, 0.02, 0.1, 0.99)
    assert by_share == "mixed: confirmed of digit pairs; mod 23 confirmed at 30% shown, refuted at 90% shown"


def test_an_interval_of_shares_stays_within_the_shares():
    shares = np.where(RANDOM.random((16, 4)) < 0.1, 0.1, 0.0)
    row = held_out_answers.resampled("x", shares)
    assert 0 <= row.low <= row.value <= row.high <= 0.1 and row.n == 16


def test_trained_runs_are_as_small_as_weights_made_by_hand_or_not():
    counts = neurons_needed.numbers_kept(512)
    sweep = types.SimpleNamespace(
        config=types.SimpleNamespace(mlp_width=512), task=types.SimpleNamespace(columns=(1, 0))
    )

    def of(needed, right=True):
        curve = np.tile(np.where(np.array(counts) >= needed, 0.98, 0.2), (RUNS, 1))
        names = (neurons_needed.GREEDY, neurons_needed.ONCE, neurons_needed.RANDOM)
        made = (18, np.full(64, right))
        return verdict(
            neurons_needed.answer(sweep, made, counts, dict.fromkeys(names, curve), np.stack([curve] * 2, 1))
        )

    assert of(10) == "confirmed" and of(200).startswith("mixed") and of(10, right=False) == "refuted"


def test_units_are_ranked_on_one_half_and_counted_on_the_other():
    damage = np.array([8.0, 4, 2, 1, 0.5])
    assert units.needed(damage, damage) == 3
    # ranked the other way round, all but the one without damage are needed
    assert units.needed(-damage, damage) == 5


def test_one_head_serves_all_digits_or_one_each_and_forms_first_or_not():
    looks = np.full((RUNS, 2, 4, len(circuit_readers.digit_attention.PLACES)), 0.1)
    looks[:, 0, 1:, circuit_readers.OWN] = 0.9
    apart_heads = looks.copy()
    apart_heads[:, 0, 3, circuit_readers.OWN], apart_heads[:, 1, 3, circuit_readers.OWN] = 0.1, 0.9

    def of(looks, lag):
        seen = types.SimpleNamespace(looks=looks, damage=RANDOM.random((RUNS, 2, 4)))
        times = {"digit 0": dict(apart=lag + RANDOM.normal(size=RUNS))}
        found = circuit_answers.digit_pair(seen, times)
        return verdict(found), found.rows["lag"].value

    assert of(looks, -30)[0] == "confirmed" and of(looks, -30)[1] > 0
    assert of(looks, 30)[0].endswith("; refuted that it forms first")
    assert of(looks, -3)[0].endswith("both are there within 10 steps")
    assert of(apart_heads, -30)[0].startswith("mixed: refuted that one head does for all digits")
