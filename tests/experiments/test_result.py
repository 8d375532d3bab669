"""Answers: their sentences, their numbers in words, and what the page must not show."""

import json

import numpy as np
import pytest

from experiments.frame import measured, result
from experiments.frame.measured import Measured
from experiments.frame.result import Result
from grokjax.curves import statistics

RULE = "confirmed if the interval lies within .01 of it, else refuted"
LEVEL = measured.mean("level", [0.1, 0.2, 0.3], "nats")


def times(*steps):
    return statistics.Times(np.array([abs(x) for x in steps], float), np.array([x > 0 for x in steps]))


@pytest.mark.parametrize(
    ("row", "value", "sure"),
    [
        (LEVEL, "0.2 nats", "-0.048 to 0.448; 3 runs"),
        (measured.mean("level", [0.25, np.nan, 0.25], "nats"), "0.25 nats", "0.25 to 0.25; 2 runs"),
        (measured.mean("level", [], "nats"), "not measured (no run shows it)", "0 runs"),
        (measured.share("share", 7, 8), "7 of 8 runs", "0.529 to 0.978; 8 runs"),
        (measured.exact("level", 0.6881), "0.6881 nats", "exact"),
        (measured.exact("error", 4e-16, ""), "4.0e-16", "exact"),
        (Measured("kept", 0.99955, 0.999, 1.0, "", 16), "1.00", "0.999 to 1; 16 runs"),
        (
            measured.time("exit", times(100, -1200, -1200), 1200)._replace(low=100.0),
            "> 1,200 steps (2 of 3 still there)",
            "100 to > 1,200; 3 runs, 2 still there at the end",
        ),
        (Measured("exit", 700.0, None, 900.0, "steps", 8), "700 steps", "up to 900; 8 runs"),
        (Measured("exit", 700.0, 500.0, None, "steps", 8), "700 steps", "500 or more; 8 runs"),
    ],
)
def test_a_number_in_words_has_no_unknown_end(row, value, sure):
    assert (measured.value(row), measured.sure(row)) == (value, sure)


def test_a_result_is_read_back_from_what_is_kept():
    rows = {"level": LEVEL, "left": measured.time("exit", times(100, -1200), 1200)}
    kept = result.plain(Result("001-01", "At {level}.", rows, RULE, "confirmed", ["narrow"]))
    assert "until" not in kept["rows"]["level"]
    again = result.read(kept)
    assert again.rows["left"].until == 1200 and again.rows["level"].value == pytest.approx(0.2)
    assert result.plain(again) == kept


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("stays at ln 10 in base 3, digit 1, n = 5, of 5-digit sums mod 113", []),
        ("Digit 2 slows down, digit 4 not; Layer 1 and Base 10", []),
        ("falls to .69 within 200 steps", [".69", "200"]),
        ("falls from {a} to 0.5.", ["0.5"]),
    ],
)
def test_numbers_that_a_sentence_spells_out(sentence, found):
    assert result.loose_numbers(sentence) == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (dict(sentence="word " * 31), "31 words, at most 30"),
        (dict(sentence="{level} {level} and 3 more"), "at most 2"),
        (dict(sentence="at {levle}"), "no row for ['levle']"),
        (dict(rule=""), "the rule is missing"),
        (dict(verdict="perhaps"), "must begin with one of confirmed, refuted, mixed"),
        (dict(verdict="mixed"), "must say of what"),
        (dict(verdict="open: "), "must say why"),
    ],
)
def test_what_the_page_must_not_show_is_refused(change, said):
    good = Result("001-01", "At {level}, as {level}.", {"level": LEVEL}, RULE, "mixed: of both")
    assert result.check(good) is good
    with pytest.raises(ValueError, match="001-01") as caught:
        result.check(good._replace(**change))
    assert said in str(caught.value)


def test_numbers_of_numpy_are_kept_as_plain_ones():
    row = measured.interval("exits", statistics.Interval(np.float32(1.5), None, None), "", np.int64(3))
    kept = json.loads(json.dumps(measured.plain(row)))
    assert kept["value"] == 1.5 and kept["n"] == 3


def test_the_numbers_of_a_sentence_stand_each_beside_its_interval():
    a, b = Measured("a", 0.5, 0.4, 0.6, "nats", 8), Measured("b", 2.0, 1.0, None, "", 8)
    assert measured.sure_of_all([a]) == measured.sure(a)
    assert measured.sure_of_all([a, b]) == "0.5 nats (0.4 to 0.6); 2 (1 or more); 8 runs"
    assert (
        measured.sure_of_all([a, b._replace(n=4)]) == "0.5 nats (0.4 to 0.6; 8 runs); 2 (1 or more; 4 runs)"
    )
    seven = measured.share("share", 7, 8)
    assert measured.sure_of_all([seven, a]) == "7 of 8 runs (0.529 to 0.978); 0.5 nats (0.4 to 0.6); 8 runs"
    assert measured.sure_of_all([seven, seven]) == "7 of 8 runs (0.529 to 0.978)"
    assert measured.sure_of_all([measured.exact("x", 2), measured.exact("y", 3)]) == "2 nats; 3 nats; exact"
    never = measured.time("exit", times(-500, -500), 500)
    assert (
        measured.sure_of_all([a, never]) == "0.5 nats (0.4 to 0.6; 8 runs); > 500 steps (2 of 2 still there)"
    )
