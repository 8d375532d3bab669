import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from grokjax.curves import shelves, synthetic

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


def test_planted_shelves_are_found_and_nothing_else():
    found = synthetic.score(shelves.find, HELD_OUT)
    assert found.recall >= 0.95 and found.precision >= 0.95 and np.median(found.level_errors) < 0.002
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
    assert shelves.find(np.full(100, 0.5)) == [shelves.Shelf(0.5, 0.0, 0, 99, False)]


@settings(deadline=None, max_examples=15)
@given(seed=some.integers(0, 50), power=some.integers(-3, 3))
def test_the_unit_of_the_loss_does_not_matter(seed, power):
    """Beyond the .01 nats that are never too much, so the band is compared where it is wider than that."""
    curve = 3 + staircase(seed)
    scaled = shelves.find(curve * 2.0 ** abs(power))
    for one, other in zip(shelves.find(curve), scaled, strict=True):
        assert one[2:] == other[2:] and other.level == pytest.approx(one.level * 2.0 ** abs(power))


def test_the_standard_error_covers_noise_that_wanders():
    """200 means of AR(1) noise (coefficient .8): the white-noise formula would be a third of the truth."""
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((200, 800))
    for t in range(1, 800):
        noise[:, t] += 0.8 * noise[:, t - 1]
    means = noise.mean(1)
    errors = [shelves._standard_error(values) for values in noise]
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
    assert shelves.fits(shelf, levels, relative=0.0, least=0.001) is None
    assert shelves.fits(shelf._replace(level=0.019), [("zero", 0.0)])[0].nats == 0
    assert shelves.fits(shelf._replace(standard_error=0.0, level=0.6931), levels)[0].standard_errors == 0
