import csv
import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from grokjax.curves import scoring, shelves, synthetic, synthetic_mixture

HELD_OUT = range(10_000, 10_120)


def staircase(seed=0, noise=0.02):
    """2.3 until step 300, 0.7 from 340 to 800, then towards 0 until the end at 1200."""
    clean = np.interp(np.arange(1200), [0, 300, 340, 800, 900, 1200], [2.3, 2.3, 0.7, 0.7, 0.01, 0.01])
    return clean + noise * np.random.default_rng(seed).standard_normal(1200)


def test_a_staircase_has_its_three_shelves():
    found = shelves.find(staircase())
    assert [shelf.left for shelf in found] == [True, True, False]
    for shelf, (level, first, last) in zip(
        found, [(2.3, 0, 299), (0.7, 340, 799), (0.01, 900, 1199)], strict=True
    ):
        assert abs(shelf.level - level) < 4 * shelf.standard_error < 0.02
        assert abs(shelf.first_step - first) <= 10 and abs(shelf.last_step - last) <= 10
    assert found[-1].last_step == 1199


def sigmoid(steps, middle, width):
    return 1 / (1 + np.exp(-np.clip((np.arange(steps) - middle) / width, -50, 50)))


@pytest.mark.parametrize("seed", range(3))
def test_a_long_noisy_curve_has_all_of_its_shelves(seed):
    """The descents are gentle beside the noise, and the longest shelf is the last."""
    clean = 2.3 - 1.6 * sigmoid(20000, 6000, 150) - 0.65 * sigmoid(20000, 10000, 150)
    found = shelves.find(clean + 0.2 * np.random.default_rng(seed).standard_normal(20000))
    assert len(found) == 3
    truth = [(2.3, 0, 5500), (0.7, 6500, 9500), (0.05, 10500, 19999)]
    for shelf, (level, first, last) in zip(found, truth, strict=True):
        assert abs(shelf.level - level) < 0.02
        assert scoring.overlap((shelf.first_step, shelf.last_step), (first, last)) > 0.85


LONG = {
    "white": (synthetic.staircase, dict(steps=20000), 0.95),
    "AR .5": (synthetic.staircase, dict(steps=20000, correlation=0.5), 0.95),
    "AR .9": (synthetic.staircase, dict(steps=20000, correlation=0.9), 0.95),
    "AR .9, 2000 steps": (synthetic.staircase, dict(steps=2000, correlation=0.9), 0.8),
    "AR .98": (synthetic.staircase, dict(steps=20000, correlation=0.98), 0.9),
    "drift of .5 to 3 deviations per 40 steps": (synthetic.drifting, dict(steps=20000), 0.95),
    "drift of .5 to 3 deviations": (synthetic.leaning, dict(steps=20000), 0.95),
    "two close levels": (synthetic.close_levels, dict(steps=20000), 0.95),
    "exponential approach": (synthetic.approach, dict(steps=20000), 0.95),
}


@pytest.mark.parametrize("name", LONG)
def test_the_shelves_of_curves_that_are_hard_are_found(name):
    kind, options, recall = LONG[name]
    found = scoring.score(shelves.find, functools.partial(kind, **options), range(500, 512))
    assert found.recall >= recall and found.precision >= 0.95
    assert found.covered >= 0.8 * found.hits


@pytest.mark.parametrize("kind", [synthetic.power_law, synthetic.descent])
@pytest.mark.parametrize("steps", [300, 2000, 20000])
def test_a_descent_that_goes_on_is_no_shelf(kind, steps):
    """In 300 steps noise hides the end of some power laws: there a third were shelves, now a tenth are."""
    found = scoring.score(shelves.find, functools.partial(kind, steps=steps), range(1000, 1030))
    assert found.false <= (4 if steps == 300 else 1)


def test_noise_that_wanders_makes_no_shelves():
    """One shelf a curve is planted here; thirty were seen."""
    kind = functools.partial(synthetic.approach, steps=20000, noise=0.05, correlation=0.98)
    found = scoring.score(shelves.find, kind, range(500, 510))
    assert found.found <= 12 and found.recall >= 0.9


def test_a_shelf_moves_within_its_band_alone():
    """The last stretch descends by a fifth: it is not level though each step of it is all noise."""
    clean = np.interp(np.arange(6000), [0, 2000, 2050, 6000], [2.3, 2.3, 0.295, 0.235])
    found = shelves.find(clean + 0.05 * np.random.default_rng(0).standard_normal(6000))
    assert found[0].last_step == pytest.approx(2000, abs=20)
    for shelf in found:
        assert np.ptp(clean[shelf.first_step : shelf.last_step + 1]) < 0.11 * shelf.level


def test_the_slope_of_a_shelf_is_that_of_its_drift_within_its_error():
    away = []
    for seed in range(30):
        clean = np.interp(np.arange(1200), [0, 20, 1200], [2.3, 1.0, 0.96])
        (shelf,) = shelves.find(clean + 0.03 * np.random.default_rng(seed).standard_normal(1200))
        away.append((shelf.slope + 0.04 / 1180) / shelf.slope_error)
        assert shelf.slope < -3 * shelf.slope_error
    assert np.std(away) == pytest.approx(1.0, abs=0.35) and abs(np.mean(away)) < 1


@pytest.mark.parametrize("steps", [300, 2000, 20000])
def test_the_standard_error_covers_the_level_that_a_curve_approaches(steps):
    found = scoring.score(shelves.find, functools.partial(synthetic.approach, steps=steps), range(500, 520))
    assert found.recall == 1 and found.covered >= 0.85 * found.hits


def test_a_finished_run_is_on_no_shelf():
    loss = np.exp(np.interp(np.arange(3000), [0, 1000, 3000], np.log([3.0, 5e-8, 5e-8])))
    noise = np.exp(0.05 * np.random.default_rng(0).standard_normal(3000))
    assert not any(shelf.level < shelves.FINISHED for shelf in shelves.find(loss * noise))


def test_planted_shelves_are_found_and_nothing_else():
    found = scoring.score(shelves.find, synthetic_mixture.with_shelves, HELD_OUT)
    assert found.recall >= 0.95 and found.precision >= 0.95 and np.median(found.level_errors) < 0.002
    found = scoring.score(shelves.find, synthetic_mixture.without_shelves, HELD_OUT)
    assert found.false <= 0.02 * found.curves


def test_one_spike_or_a_burst_changes_nothing_much():
    curve = staircase()
    plain = shelves.find(curve)
    curve[[100, 150, 600]] += 1.0
    curve[500:510] += 0.5
    for before, after in zip(plain, shelves.find(curve), strict=True):
        assert abs(before.level - after.level) < 0.005 and abs(before.last_step - after.last_step) <= 10


def test_a_run_that_stops_on_a_shelf_has_not_left_it():
    curve = staircase()
    curve[600:] = np.nan
    last = shelves.find(curve)[-1]
    assert last.last_step == 599 and not last.left
    assert shelves.find(np.full(500, np.nan)) == [] == shelves.find(curve[:10])


def test_a_constant_is_one_shelf():
    assert shelves.find(np.full(100, 0.5)) == [shelves.Shelf(0.5, 0.0, 0, 99, False, 0.0, 0.0)]


@settings(deadline=None, max_examples=15)
@given(seed=some.integers(0, 50), power=some.integers(-3, 3))
def test_the_unit_of_the_loss_does_not_matter(seed, power):
    curve = 3 + staircase(seed)
    scaled = shelves.find(curve * 2.0 ** abs(power))
    for one, other in zip(shelves.find(curve), scaled, strict=True):
        assert one[2:5] == other[2:5] and other.level == pytest.approx(one.level * 2.0 ** abs(power))


def test_the_standard_error_covers_noise_that_wanders():
    """200 means of AR(1) noise (coefficient .8): the white-noise formula would be a third of the truth."""
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((200, 800))
    for t in range(1, 800):
        noise[:, t] += 0.8 * noise[:, t - 1]
    means = noise.mean(1)
    errors = [shelves.find(2 + 0.05 * values)[0].standard_error / 0.05 for values in noise[:60]]
    assert np.median(errors) == pytest.approx(means.std(), rel=0.3)


def test_within_is_the_longest_stay_in_a_band():
    stay = shelves.within(staircase(), 0.6, 0.8)
    assert abs(stay.first_step - 338) <= 6 and abs(stay.last_step - 815) <= 10 and stay.left
    assert shelves.within(staircase(), 3, 4) is None
    with pytest.raises(ValueError, match="low=2 to high=1"):
        shelves.within(staircase(), 2, 1)


def test_the_table_commutes_with_the_order_of_runs(tmp_path):
    losses = np.stack([np.stack([staircase(seed), staircase(seed + 10)[:1200]], -1) for seed in range(3)])
    rows = shelves.table(losses, [7, 8, 9])
    assert {(row.run, row.seed) for row in rows} == {(0, 7), (1, 8), (2, 9)} and {
        row.digit for row in rows
    } == {0, 1}
    turned = shelves.table(losses[::-1], [9, 8, 7])
    assert sorted(row[1:] for row in rows) == sorted(row[1:] for row in turned)
    alone = shelves.table(losses[1:2], [8])
    assert [row[1:] for row in alone] == [row[1:] for row in rows if row.seed == 8]
    assert [row.shelf for row in alone if row.digit == 0] == shelves.find(losses[1, :, 0])


def test_steps_are_those_of_the_entries():
    rows = shelves.table(staircase()[None, :, None], [0], steps=20 * np.arange(1200) + 5)
    assert [(row.first_step - 5) / 20 for row in rows] == [
        shelf.first_step for shelf in shelves.find(staircase())
    ]


def test_the_file_holds_what_was_written(tmp_path):
    rows = shelves.table(np.stack([staircase()] * 2, -1)[None], [3])
    shelves.write(tmp_path / "shelves.csv", rows)
    assert shelves.read(tmp_path / "shelves.csv") == rows
    with open(tmp_path / "shelves.csv") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == [
        "run",
        "seed",
        "digit",
        "level",
        "standard_error",
        "first_step",
        "last_step",
        "left",
        "slope",
        "slope_error",
    ]
    assert [line["left"] for line in lines] == ["true", "true", "false"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["shelves.csv"]


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        shelves.find(np.zeros((5, 2)))
    with pytest.raises(ValueError, match="2 seeds"):
        shelves.table(np.zeros((1, 50, 1)), [1, 2])
    with pytest.raises(ValueError, match="each of the 50"):
        shelves.table(np.zeros((1, 50, 1)), [1], steps=np.arange(3))


def test_fits_are_the_near_levels_nearest_first():
    shelf = shelves.Shelf(0.70, 0.002, 0, 100, True)
    levels = [("digit pair", 0.6931), ("nothing", 2.3026), ("digit pair and one", 0.6881), ("far", 0.5)]
    found = shelves.fits(shelf, levels)
    assert [fit.name for fit in found] == ["digit pair", "digit pair and one"]
    assert found[0].distance == pytest.approx(0.0069) and found[0].standard_errors == pytest.approx(3.45)
    assert shelves.fits(shelf, levels, relative=0.001) is None
    assert shelves.fits(shelf._replace(standard_error=0.0, level=0.6931), levels)[0].standard_errors == 0


@pytest.mark.parametrize(
    ("level", "error", "names"),
    [
        (0.0232, 0.001, None),  # between the levels: neither
        (0.0232, 0.009, None),  # nor if the shelf is badly known
        (0.0070, 0.0001, ["lower:2"]),
        (0.0075, 0.0003, ["lower:2"]),  # 9% away, 2 standard errors
        (0.0075, 0.0001, None),
        (0.069, 0.001, ["lower:1"]),
        (5e-8, 1e-9, None),
    ],
)
def test_a_shelf_has_the_name_of_a_level_that_it_is_at(level, error, names):
    levels = [("lower:1", 0.0693), ("lower:2", 0.0069), ("all", 0.0)]
    found = shelves.fits(shelves.Shelf(level, error, 0, 999, False), levels)
    assert (found and [fit.name for fit in found]) == names


def test_a_table_without_slopes_is_read(tmp_path):
    (tmp_path / "shelves.csv").write_text(
        "run,seed,digit,level,standard_error,first_step,last_step,left\n1,7,0,2.3,0.01,0,99,true\n"
    )
    (row,) = shelves.read(tmp_path / "shelves.csv")
    assert row.shelf == shelves.Shelf(2.3, 0.01, 0, 99, True) and math.isinf(row.slope_error)


def test_slopes_are_per_optimiser_step():
    curve = np.interp(np.arange(1200), [0, 20, 1200], [2.3, 1.0, 0.96]) + staircase(0, 0.01) - staircase(0, 0)
    (one,), (other,) = (shelves.table(curve[None, :, None], [0], steps=k * np.arange(1200)) for k in (1, 20))
    assert other.slope == pytest.approx(one.slope / 20) and other.slope_error == pytest.approx(
        one.slope_error / 20
    )
