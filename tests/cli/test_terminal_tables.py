"""What the tables of a sweep say of medians whose interval few runs determine, or none."""

import pytest

from grokjax.cli import tables
from grokjax.runner.page import markup


@pytest.mark.parametrize(
    ("value", "low", "high", "short", "long"),
    [
        (300.0, 250.0, 400.0, "300 (250-400)", "300 (250 to 400)"),
        (300.0, 250.0, None, "300 (250+)", "300 (250 or more)"),
        (300.0, None, None, "300", "300"),
        (None, None, None, "?", "> 500"),
        (None, 450.0, None, "? (450+)", "> 500 (450 or more)"),
        (150_000.0, 100_000.0, 210_000.0, "150k (100k-210k)", "150000 (100000 to 210000)"),
    ],
)
def test_an_interval_has_only_the_ends_that_are_known(value, low, high, short, long):
    row = {"value": value, "low": low, "high": high}
    assert (tables.interval(row), markup.time(row, 500)) == (short, long)
