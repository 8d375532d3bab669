import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokjax.checkpoints.schedule import MOST, epochs

lengths = st.integers(1, 3_000_000)


@settings(deadline=None)
@given(lengths)
def test_log_has_both_ends_and_at_most_64_epochs_ever_further_apart(num_epochs):
    saved = epochs("log", num_epochs)
    assert saved[0] == 0 and saved[-1] == num_epochs and len(saved) <= MOST
    gaps = [b - a for a, b in itertools.pairwise(saved[:-1])]
    assert gaps == sorted(gaps) and len(set(saved)) == len(saved)


@settings(deadline=None)
@given(lengths, lengths)
def test_a_lengthened_sweep_has_every_epoch_that_the_longer_one_saves(one, other):
    short, long = sorted((one, other))
    assert {epoch for epoch in epochs("log", long) if epoch < short} <= set(epochs("log", short))


def test_the_forms():
    assert epochs("all", 4) == (0, 1, 2, 3, 4)
    assert epochs("every:3", 8) == (0, 3, 6, 8)
    assert epochs("5, 2,100", 8) == (0, 2, 5, 8)
    assert epochs("log", 20) == (*range(17), 18, 20)


@pytest.mark.parametrize(
    "save",
    ["", "logs", "every", "every:", "every:0", "every:-1", "every:1.5", "1,,2", "-1", "1.5", "0,x", None, 3],
)
def test_a_malformed_schedule_is_named(save):
    with pytest.raises(ValueError, match=r"^save=.* must be log, all, every:K"):
        epochs(save, 10)
