"""The rules of the experiments on modular addition come out either way, on planted runs."""

import numpy as np
import pytest

from experiments.modular import (
    clock_pizza,
    factorial,
    grokking_phase,
    interventions,
    modular_grokking,
    separated_settings,
    untrained_tensors,
)
from experiments.modular import what_stops_grokking as differences
from experiments.modular.grokking_phase import Cell
from grokjax.curves import statistics
from grokjax.curves.statistics import Times

LAST = 1000.0


def times(*steps):
    """Times of runs; one at the last step has not got there."""
    at = np.array(steps, float)
    return Times(at, at < LAST)


def cells(grokked):
    """Two training fractions at two decays, memorised at step 100 by all 16 seeds."""
    memorised = times(*[100] * 16)
    return [Cell(percent, decay, memorised, times(*steps)) for (percent, decay), steps in grokked.items()]


STUDY = {"seeds": 16, "steps": 1000, "decays": (0, 1), "percents": (50, 90), "modulus": 23}


def test_a_setting_matters_where_most_seeds_grok_in_more_settings():
    found = cells({(50, 0): [LAST] * 16, (50, 1): [LAST] * 16, (90, 0): [LAST] * 16, (90, 1): [400] * 16})
    decay, fraction, late = grokking_phase.answers(STUDY, found)
    assert [answer.verdict for answer in (decay, fraction, late)] == ["confirmed"] * 3
    assert decay.rows["more"].count == 16 and decay.rows["grok_1"].count == 16
    alike = cells({place: [400] * 16 for place in ((50, 0), (50, 1), (90, 0), (90, 1))})
    assert [answer.verdict for answer in grokking_phase.answers(STUDY, alike)[:2]] == ["refuted"] * 2


def test_the_setting_is_chosen_on_the_even_seeds_and_scored_on_the_odd():
    on_even = [400, LAST] * 8
    found = cells({(50, 0): [LAST] * 16, (50, 1): on_even, (90, 0): [150] * 16, (90, 1): [LAST, 400] * 8})
    late = grokking_phase.separated(STUDY, found)
    assert late.rows["late"].quantity.endswith("50%, decay 1")
    assert (late.rows["late"].count, late.rows["late"].n) == (0, 8) and late.verdict == "refuted"


def test_two_claims_have_one_verdict():
    both = modular_grokking.both
    assert both({"a": "confirmed", "b": "confirmed"}) == "confirmed"
    assert both({"a": "confirmed", "b": "refuted"}) == "mixed: confirmed that a; refuted that b"
    assert both({"a": "confirmed", "b": "open: few"}) == "open: few"


def test_a_share_that_is_meant_may_be_less_than_half():
    assert (
        modular_grokking.majority(3, 16, "more", 0.1) == "open: the interval holds 0.1; more would settle it"
    )
    assert modular_grokking.majority(8, 16, "more", 0.1) == "confirmed"
    assert modular_grokking.majority(0, 64, "more", 0.1) == "refuted"


def factors(grokked):
    """Cells in which a run of 8 seeds groks where `grokked` says so of its place."""
    held = np.zeros((2,) * 6 + (8,))
    for place in np.ndindex(*(2,) * 6):
        held[place] = grokked(place)
    return factorial.Cells(held, np.where(held, 500.0, LAST))


@pytest.mark.parametrize(
    ("grokked", "verdict", "share"),
    [
        (lambda place: place[3] == 0, "confirmed: by small decay", "refuted"),
        (lambda place: place[0] == 0, "confirmed: by embedding", "confirmed"),
        (lambda place: True, "refuted", "refuted"),
    ],
)
def test_the_differences_that_matter_are_named(grokked, verdict, share):
    found = factors(grokked)
    effects = {name: factorial.effect(found.grokked, (i,)) for i, name in enumerate(factorial.FACTORS)}
    assert differences.why(found, effects).verdict == verdict
    embedding = differences.of_factors(effects, found, 1000)[0]
    assert embedding.id == "003-07" and embedding.verdict == share


def test_tensors_that_must_be_trained_are_named():
    fine, never = times(*[500] * 8), times(*[LAST] * 8)
    found = untrained_tensors.of_tensors({"none": fine, "W_E": never, "W_U": fine}, 1000)
    assert found.verdict == "confirmed: without training W_E" and found.rows["worse"].count == 1
    assert untrained_tensors.of_tensors({"none": fine, "W_E": fine}, 1000).verdict == "refuted"


@pytest.mark.parametrize(
    ("cold", "begins"),
    [([900] * 12, "confirmed: warm-up 0 is later"), ([510] * 12, "refuted"), ([300, 900] * 6, "open")],
)
def test_a_warm_up_matters_by_pairs(cold, begins):
    of = {("warm-up 0", 1): times(*cold), ("warm-up 10", 1): times(*[500] * 12)}
    of["warm-up 100", 1] = times(*[500] * 6, *[505] * 6)
    ratios = {
        cell: statistics.paired_ratio(found, of["warm-up 10", 1])
        for cell, found in of.items()
        if cell[0] != "warm-up 10"
    }
    p = {cell: 0.001 if cold == [900] * 12 and cell[0] == "warm-up 0" else 1.0 for cell in ratios}
    assert interventions.warm_up({"decays": (0, 1), "steps": 1000}, of, ratios, p).verdict.startswith(begins)


def test_all_three_settings_of_the_note_have_one_verdict():
    verdict = separated_settings.verdict
    assert verdict(dict.fromkeys("abc", "confirmed")) == "confirmed"
    assert verdict({"a": "confirmed", "b": "refuted"}) == "mixed: confirmed of a; refuted of b"
    assert verdict({"a": "confirmed", "b": "open: few"}).startswith("open: not decided of b")


def test_a_rate_that_does_not_determine_the_mean_is_open():
    of = clock_pizza.curve_verdict
    assert of([25, 75], [25, 75], []) == "confirmed" and of([25, 75], [25], [75]) == "refuted: apart at 75%"
    assert of([25, 75], [25], []).startswith("mixed: confirmed at 25%; open at 75%")
    assert of([25, 75], [], []).startswith("open") and of([], [], []).startswith("open")


def test_an_effect_is_not_halved_by_settings_in_which_no_run_groks():
    """Only with the published decay can a run grok, and then only with the published embedding."""
    found = factors(lambda place: place[factorial.DECAY] == 0 and place[0] == 0)
    of = lambda *names: factorial.effect(found.grokked, tuple(map(factorial.FACTORS.index, names))).value
    assert (of("embedding"), of("bias"), of("small decay")) == (-1.0, 0.0, -0.5)
    small, large = (factorial.of_decay(found.grokked, which) for which in (1, 0))
    assert (small.sum(), large.sum(), large.shape) == (0, 16 * 8, (32, 8))
    assert differences.of_all("published decay", large).count == 128
