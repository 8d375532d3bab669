"""Is every damage of a sweep's directory noticed or harmless? Random damages, read, then gone on with."""

import collections
import pathlib
import shutil
from typing import Any, NamedTuple

import numpy as np

from experiments.reliability import outcomes, tiny
from experiments.reliability.damages import descriptions, epochs, files, metrics, planted
from experiments.reliability.outcomes import FINE, NOTICED, SILENT

KINDS: dict[str, planted.Kind] = {**files.KINDS, **epochs.KINDS, **metrics.KINDS, **descriptions.KINDS}
SAVES = ("log", "all")
REFUSED, RECOVERED, HARMLESS, LOST = "refused", "recovered", "harmless", "lost"
BAD = (SILENT, outcomes.TRACEBACK, outcomes.UNNAMED, LOST)


class Tried(NamedTuple):
    """What a damage did.

    kind, text: which it was;  reading: the worst that a reader met
    resuming: what became of it when it was gone on with;  why: of what was not noticed
    """

    kind: str
    text: str
    reading: str
    resuming: str
    why: str


class Ground(NamedTuple):
    """The sweeps of a schedule, and what is read of the damaged one and of its uninterrupted continuation."""

    save: str
    sweeps: tiny.Sweeps
    own: dict[str, Any]
    longer: dict[str, Any]


def ground(folder: pathlib.Path, save: str) -> Ground:
    """Returns the sweeps of a schedule, trained."""
    found = tiny.sweeps(folder, save)
    own = outcomes.read(found.whole, list(range(tiny.STEPS // tiny.EPOCH_STEPS + 1)))
    longer = outcomes.read(found.longer, list(range(tiny.LONGER // tiny.EPOCH_STEPS + 1)))
    for name, result in (own | longer).items():
        if isinstance(result, outcomes.Said | outcomes.Raised):
            raise AssertionError(f"the undamaged sweep does not give {name}: {result}")
    return Ground(save, found, own, longer)


def run(folder: pathlib.Path, count: int, schedules: int, seed: int = 0) -> dict[str, Any]:
    """Tries `count` random damages, every kind in turn. Returns the counts, and what went wrong.

    schedules: how many of SAVES are used
    """
    grounds = [ground(folder, save) for save in SAVES[:schedules]]
    order = np.random.default_rng(seed).permutation(len(KINDS))
    tried = [
        try_one(folder, grounds[i % len(grounds)], list(KINDS)[order[i % len(KINDS)]], (seed, i))
        for i in range(count)
    ]
    return summary(tried)


def summary(tried: list[Tried]) -> dict[str, Any]:
    """Returns counts of what reading and resuming did, and a sentence for each damage that went wrong."""
    bad = [each for each in tried if each.reading in BAD or each.resuming in BAD]
    return dict(
        tried=len(tried),
        kinds=len({each.kind for each in tried}),
        reading=dict(collections.Counter(each.reading for each in tried)),
        resuming=dict(collections.Counter(each.resuming for each in tried)),
        failures=[f"{each.kind} ({each.text}): {each.why}" for each in bad],
    )


def try_one(folder: pathlib.Path, ground: Ground, kind: str, seed: tuple[int, int]) -> Tried:
    """Plants one damage, reads everything, goes on with the sweep, and reads everything again."""
    own = folder / "damaged" / f"{seed[0]}-{seed[1]}"
    shutil.copytree(ground.sweeps.whole, own)
    done = KINDS[kind](own, ground.sweeps, np.random.default_rng(seed))
    before = outcomes.read(own, _epochs(ground.own))
    reading = outcomes.verdicts(before, ground.own)
    asked = tiny.request(tiny.LONGER, save=ground.save)
    told = outcomes.attempt(lambda: tiny.train(own, asked), own)
    resuming, why = judged(own, ground, told, reading, done)
    worst = outcomes.worst(reading)
    if worst in BAD:
        why = "; ".join(
            f"{name} is {verdict} ({_shown(before[name])})"
            for name, verdict in reading.items()
            if verdict == worst
        )
    shutil.rmtree(own)
    return Tried(kind, done.text, {FINE: HARMLESS}.get(worst, worst), resuming, why)


def judged(
    own: pathlib.Path, ground: Ground, told: Any, reading: dict[str, str], done: planted.Planted
) -> tuple[str, str]:
    """Returns what became of a damaged sweep that was gone on with, and why that is wrong, if it is."""
    if set(done.foreign) - planted.there(own):
        return LOST, "a file of another sweep is gone"
    if isinstance(told, outcomes.Raised):
        return outcomes.TRACEBACK, told.text
    if isinstance(told, outcomes.Said):
        return (REFUSED, "") if told.names else (outcomes.UNNAMED, told.sentence)
    if many := [note for note in told if "\n" in note]:
        return outcomes.TRACEBACK, many[0]
    after = outcomes.read(own, _epochs(ground.longer))
    found = outcomes.verdicts(after, ground.longer)
    worst = outcomes.worst(found)
    names = [name for name, verdict in found.items() if verdict == worst]
    if worst in BAD:
        return worst, f"after resuming: {names[0]} ({_shown(after[names[0]])}); told {told}"
    # the state of a newest epoch is dropped, as planned, when newer ones are there
    if gone := [name for name in names if worst == NOTICED and reading.get(name) == FINE]:
        return LOST, f"after resuming: {gone[0]} ({_shown(after[gone[0]])}); told {told}"
    if worst == NOTICED:
        return NOTICED, ""
    return (RECOVERED, "") if told else (HARMLESS, "")


def _epochs(found: dict[str, Any]) -> list[int]:
    return [int(name.rpartition(" ")[2]) for name in found if name.startswith("step of epoch")]


def _shown(result: Any) -> str:
    return str(result)[:300]
