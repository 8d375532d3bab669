"""The tables of docs/reliability.md, from the numbers of the campaign: the page says what was measured."""

import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "reliability.md"
NUMBERS = PAGE.with_suffix(".json")
NOT_YET = "not measured yet"
Measured = dict[str, Any]


class Promise(NamedTuple):
    """A row of the first table: what is promised, the section and the tests that show it, and the figure."""

    text: str
    section: str
    tests: str
    figure: Callable[[Measured], str]


def counts(of: dict[str, int]) -> str:
    """Returns counts in words: 3 refused, 2 harmless."""
    return ", ".join(f"{number} {name}" for name, number in sorted(of.items(), key=lambda item: -item[1]))


def kills(m: Measured) -> str:
    """Returns what the kills did."""
    return (
        f"{m['kills']} kills of {m['sweeps']} sweeps ({counts(m['moments'])}); "
        f"{m['confirmed']} confirmed snapshots read after them"
    )


def signals(m: Measured) -> str:
    """Returns how processes left."""
    return f"{m['sent']} processes; the slowest left after {m['slowest']} s"


def damages(m: Measured) -> str:
    """Returns what damages did."""
    return (
        f"{m['tried']} damages of {m['kinds']} kinds. Read: {counts(m['reading'])}. "
        f"Gone on with: {counts(m['resuming'])}"
    )


def disks(m: Measured) -> str:
    """Returns which disks were tried."""
    left = f"; not tried: {'; '.join(m['not_tried'])}" if m["not_tried"] else ""
    return f"{len(m['tried'])} cases: {', '.join(m['tried'])}{left}"


def machines(m: Measured) -> str:
    """Returns what bits were compared."""
    return (
        f"{m['configs']} drawn models, {m['compared']} comparisons, in company of "
        f"{' and '.join(map(str, m['company']))}; {', '.join(m['machines']) or 'no other machines'}; "
        f"not tried: {'; '.join(m['not_tried'])}"
    )


def inputs(m: Measured) -> str:
    """Returns what became of drawn inputs."""
    return f"{m['tried']} inputs drawn: {counts(m['outcomes'])}"


def weights(m: Measured) -> str:
    """Returns what became of damaged and hostile files."""
    return (
        f"{m['damages']} damages of {len(m['files'])} files: {counts(m['outcomes'])}; "
        f"{m['hostile']} hostile files, none of which ran"
    )


def numbers(m: Measured) -> str:
    """Returns the errors of loss and gradient, and what the long run shows."""
    most, long = max(max(each.values()) for each in m["errors"].values()), m["long_run"]
    return (
        f"errors of at most {most:.1f} roundings of the log-odds; {long['steps']:,} steps down to a loss of "
        f"{long['least_loss']:.1e} with {long['spikes']} spikes, {long['spikes_of_underflow']} of underflow"
    )


def memory(m: Measured) -> str:
    """Returns how memory grew, and what plans promised and sweeps took."""
    grown = m["growth"]
    plans = "; ".join(f"{each['planned'] / 1e6:.0f} and {each['peak'] / 1e6:.0f} MB" for each in m["plans"])
    return (
        f"{grown['grown'] / 1e6:.1f} MB over {grown['epochs']} epochs with {grown['saves']} saves; "
        f"planned and taken: {plans}"
    )


PROMISES = (
    Promise(
        "A sweep that is killed at any moment, again and again, ends with the bits of an uninterrupted "
        "one: parameters, states, metrics, tables. No confirmed epoch is lost.",
        "kills",
        "checkpoints/test_disk.py",
        kills,
    ),
    Promise(
        "SIGTERM, Ctrl-C and a closed terminal save, and leave with status 130 and a sentence that says how "
        "to go on.",
        "signals",
        "cli/test_interruption.py",
        signals,
    ),
    Promise(
        "Damage is noticed or harmless: what is read is right, or one sentence names the file. The next "
        "start goes on from the newest intact epoch and says so. What is another sweep's is moved aside, "
        "never deleted.",
        "damages",
        "checkpoints/test_identity.py",
        damages,
    ),
    Promise(
        "A disk that is full, read-only or gone is one sentence, and what was saved goes on. Two processes "
        "never write one directory. Copies, moves and wrong clocks change nothing.",
        "disks",
        "checkpoints/test_lock.py",
        disks,
    ),
    Promise(
        "A run has the same bits twice, alone, in company, resumed, on other numbers of devices and "
        "processes.",
        "machines",
        "training/test_bits.py",
        machines,
    ),
    Promise(
        "An input that cannot be meant is refused in one line that names it; every other trains.",
        "inputs",
        "test_annotations.py",
        inputs,
    ),
    Promise(
        "Weights of others are data: a damaged or hostile file is one sentence, and nothing in it is run.",
        "weights",
        "interop/test_torch_file.py",
        weights,
    ),
    Promise(
        "Loss and gradient keep the precision of float32 for logits up to 10,000 and losses down to 1e-38; "
        "no spike begins in an underflow.",
        "numbers",
        "test_objective.py",
        numbers,
    ),
    Promise(
        "Memory does not grow with the epochs beyond what a save is known to leave. The plan's memory line "
        "holds within a quarter.",
        "memory",
        "runner/test_memory.py",
        memory,
    ),
)


def promises(measured: dict[str, Measured]) -> list[str]:
    """Returns the lines of the first table."""
    lines = ["| promised | figure | went wrong | shown by |", "|---|---|---|---|"]
    for each in PROMISES:
        own = measured.get(each.section)
        figure = each.figure(own) if own else NOT_YET
        wrong = str(len(own["failures"])) if own else ""
        lines.append(f"| {each.text} | {figure} | {wrong} | `--only={each.section}`; tests/{each.tests} |")
    return lines


def when(measured: dict[str, Measured]) -> list[str]:
    """Returns a line for each section: when, where and at which commit it was measured."""
    return [
        f"- {name}: {own['date']}, commit {own['commit']}, {own['machine']}, {own['seconds']} s"
        for name, own in measured.items()
    ] or [f"- {NOT_YET}"]


def intervals(measured: dict[str, Measured]) -> list[str]:
    """Returns the lines of the table of coverages, and of false positives."""
    own = measured.get("statistics")
    if own is None:
        return [NOT_YET]
    runs = list(own["rows"][0]["coverage"])
    lines = [
        f"| 95% interval | values | {' | '.join(f'{n} runs' for n in runs)} |",
        "|---|---|" + "---|" * len(runs),
    ]
    for row in own["rows"]:
        cells = [
            share(row["coverage"][n], row["coverage"][n] is not None and row["coverage"][n] < own["holds"])
            for n in runs
        ]
        lines.append(f"| {row['interval']} | {row['of']} | {' | '.join(cells)} |")
    lines += ["", f"| test at .05, of what does not differ | {' | '.join(f'{n} runs' for n in runs)} |"]
    lines.append("|---|" + "---|" * len(runs))
    for name, errors in own["false_positives"].items():
        lines.append(f"| {name} | {' | '.join(share(errors[n], errors[n] > 0.07) for n in runs)} |")
    return lines


def share(value: float | None, bold: bool) -> str:
    """Returns a share as per cent, bold where it is not what it should be."""
    text = "" if value is None else f"{100 * value:.1f}%"
    return f"**{text}**" if bold and text else text


BLOCKS: dict[str, Callable[[dict[str, Measured]], list[str]]] = dict(
    promises=promises, intervals=intervals, when=when
)


def built(page: str, measured: dict[str, Measured]) -> str:
    """Returns the page with its tables from the numbers, each between `<!-- NAME -->` and `<!-- end -->`.

    Raises ValueError for a page without one of them.
    """
    for name, made in BLOCKS.items():
        begin, end = f"<!-- {name} -->", "<!-- end -->"
        before, found, rest = page.partition(begin)
        if not found or end not in rest:
            raise ValueError(f"{PAGE} has no block between {begin} and {end}")
        page = "\n".join([before + begin, *made(measured), end]) + rest.partition(end)[2]
    return page
