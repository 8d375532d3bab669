"""Which exact levels belong to which column, and which of them the measured shelves show."""

import math

import pytest

import grokjax as gj
from grokjax import tasks
from grokjax.curves.shelves import Row
from grokjax.runner import exact


def level(found, column, known):
    return dict(found[column])[known]


def test_the_levels_of_addition_are_the_papers():
    found = tasks.exact_levels(gj.Addition())
    assert level(found, 0, "nothing") == pytest.approx(math.log(10))
    assert level(found, 1, "digit_pair") == pytest.approx(0.6881388)
    assert level(found, 4, "answer_so_far") == pytest.approx(2.113267, abs=1e-6)


def test_single_mode_has_one_column_with_its_digits_levels():
    found = tasks.exact_levels(gj.Addition(num_digits=2, mode="single", digit=1))
    assert list(found) == [0]
    assert level(found, 0, "digit_pair") == pytest.approx(0.6881388)
    assert not any("answer" in known for known, _ in found[0])


def test_what_a_predictor_cannot_see_is_no_level():
    assert not any("answer" in known for known, _ in tasks.exact_levels(gj.Addition(leading=False))[0])
    assert tasks.exact_levels(gj.Addition(held_out=((1, 2),))) == {}
    digitwise = tasks.exact_levels(gj.DigitwiseAddition(num_digits=2))
    assert digitwise[1][0] == ("nothing", pytest.approx(math.log(10)))


@pytest.mark.parametrize(
    "task, symbols",
    [(gj.ModularArithmetic(modulus=23), 23), (gj.SkipTrigram(), 10), (gj.Induction(vocabulary=9), 8)],
)
def test_other_tasks_have_the_loss_of_knowing_nothing(task, symbols):
    assert set(tasks.exact_levels(task)) == set(task.columns)
    assert level(tasks.exact_levels(task), 0, "nothing") == pytest.approx(math.log(symbols))


def test_of_several_shelves_at_one_level_the_longest_stands_for_the_run():
    row = lambda run, nats, first, last: Row(run, run, 0, nats, 0.001, first, last, True)
    rows = [row(0, 2.30, 0, 50), row(0, 2.31, 60, 200), row(1, 2.29, 5, 9), row(1, 1.0, 10, 90)]
    found = exact.shown(rows, {0: [("nothing", math.log(10))]})
    assert {(known.known, tuple(runs)) for known, runs in found.items()} == {
        ("nothing", (0, 1)),
        ("none", (1,)),
    }
    assert found[exact.Shown(0, "nothing", math.log(10))][0].first_step == 60


def test_how_near_a_level_must_be_is_the_callers_choice():
    rows, levels = [Row(0, 0, 0, 0.0075, 0.0001, 0, 99, False)], {0: [("lower:2", 0.0069)]}
    assert [level.known for level in exact.shown(rows, levels)] == ["none"]
    assert [level.known for level in exact.shown(rows, levels, relative=0.1)] == ["lower:2"]


def test_a_picture_keeps_the_levels_that_shelves_show_before_their_neighbours():
    levels = {0: [("a", 2.0), ("b", 1.9), ("c", 1.0), ("d", 0.0)]}
    task = gj.ModularArithmetic()
    assert exact.lines(levels, [], task)[0] == [("a", 2.0), ("c", 1.0)]
    assert exact.lines(levels, [exact.Shown(0, "b", 1.9)], task)[0] == [("b", 1.9), ("c", 1.0)]
