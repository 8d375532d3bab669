from grokjax.curves import statistics
from grokjax.curves.shelves import Shelf


def test_a_summary_counts_and_censors():
    runs = [
        Shelf(0.69, 0.01, 10, 109, True),
        Shelf(0.70, 0.01, 20, 219, True),
        Shelf(0.69, 0.01, 30, 529, False),
        None,
    ]
    summary = statistics.summarise(runs)
    assert (summary.runs, summary.shown, summary.on_it) == (4, 3, 1)
    assert summary.share == statistics.wilson(3, 4)
    assert (summary.onset.value, summary.exit.value, summary.length.value) == (20, 220, 200)
    assert statistics.summarise(runs[::-1]) == summary
    assert statistics.summarise([None]).onset.value is None


def test_at_level_is_the_longest_near_the_level():
    shelves = [
        Shelf(2.3, 0.01, 0, 99, True),
        Shelf(0.70, 0.01, 150, 199, True),
        Shelf(0.68, 0.01, 250, 399, False),
    ]
    assert statistics.at_level(shelves, 0.6931) == shelves[2]
    assert statistics.at_level(shelves, 1.5) is None
