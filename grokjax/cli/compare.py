"""Compare two sweeps: final losses, times of learning and shelves side by side, with intervals and tests.

    grokjax compare DIR_A DIR_B [--first=NAME=VALUE,...] [--second=NAME=VALUE,...] [--json=FILE] [--csv=FILE]

Runs are held against those of the same setting, and of the same seed where both sides have the same seeds.

--first, --second  only the runs of that side with these values, such as --first=weight_decay=0.1 [all runs]
--json, --csv      also write everything into a file [none]

A directory may be held against itself: compare DIR DIR --first=weight_decay=0.1 --second=weight_decay=1.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import rich.console
from absl import flags

from grokjax.cli import machine, running, values
from grokjax.cli.values import UsageError

if TYPE_CHECKING:
    from grokjax.checkpoints import Sweep
    from grokjax.comparison import Comparison, Row
    from grokjax.curves.statistics import Interval

HELP = {"-h", "--help", "-help", "--helpfull"}


def main(argv: Sequence[str], *, program: str = "grokjax compare") -> int:
    """Prints the comparison; the exit status: 2 for a user's mistake."""
    if HELP & set(argv):
        print(str(__doc__).strip())
        return 0
    registry = flags.FlagValues()
    for name in ("first", "second", "json", "csv"):
        flags.DEFINE_string(name, None, "", flag_values=registry)
    try:
        words = values.directories(registry([program, *argv])[1:], 2)
        files = {name: values.writable(name, registry[name].value) for name in ("json", "csv")}
        machine.set_up()
        from grokjax.checkpoints import open_sweep  # JAX and statistics start only for what computes
        from grokjax.comparison import compare

        both = [open_sweep(word) for word in words]
        runs = [
            chosen(one, name, registry[name].value)
            for one, name in zip(both, ("first", "second"), strict=True)
        ]
        found = compare(*both, first_runs=runs[0], second_runs=runs[1])
        for name, file in files.items():
            if file is not None:
                file.write_text(getattr(found, name)())
        show(found, running.console())
    except (flags.Error, UsageError, ValueError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2 if isinstance(error, flags.Error | ValueError | FileNotFoundError) else 1
    return 0


def chosen(found: "Sweep", flag: str, text: str | None) -> list[int] | None:
    """The runs that `NAME=VALUE,...` chooses; None for all."""
    if text is None:
        return None
    wanted = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if not value:
            raise UsageError(f"--{flag}={text!r} must be NAME=VALUE, or several with commas between them")
        wanted[name.strip()] = values.number(flag, value)
    runs = found.where(**wanted).tolist()
    if not runs:
        raise UsageError(f"--{flag}={text} chooses no run of {found.directory}")
    return runs


def show(found: "Comparison", console: rich.console.Console) -> None:
    """Prints what differs, then the measures of each setting."""
    say = lambda text, **options: console.print(text, highlight=False, **options)
    say(f"first   {found.first}\nsecond  {found.second}", soft_wrap=True)
    say(f"differ  {'; '.join(found.differs) or 'in nothing'}")
    for note in found.notes:
        say(f"note    {note}")
    pairs = "each run against the run of its seed" if found.paired else "runs of different seeds"
    say(f"{pairs}; medians with 95% intervals; p by Holm over all rows", style="dim")
    for setting in dict.fromkeys(row.setting for row in found.rows):
        if setting:
            say(f"\n{setting}", style="bold")
        for row in (row for row in found.rows if row.setting == setting):
            for line in lines(row):
                say(line, soft_wrap=True)


def lines(row: "Row") -> list[str]:
    """A row as it is printed: its measure and test, then each side and the effect, within 80 columns."""
    p = "not determined" if row.adjusted is None else f"p {row.adjusted:.2g}"
    sign = "×" if row.unit == "steps" else ""
    sides = (("first", row.first, row.first_runs), ("second", row.second, row.second_runs))
    found = [f"{row.measure} ({row.unit}): {row.test}, {p}"]
    found += [f"  {name:<7} {spread(value):<32} {runs} runs" for name, value, runs in sides]
    if row.effect.value is not None:
        found.append(f"  {'effect':<7} {sign}{spread(row.effect, signed=not sign):<32} {row.effect_is}")
    return found


def spread(found: "Interval", signed: bool = False) -> str:
    """A value with its interval, as far as the runs determine it."""
    if found.value is None:
        return "not determined" if found.low is None else f"> {found.low:.3g}"
    value = f"{found.value:+.3g}" if signed else f"{found.value:.3g}"
    return value + (f" ({found.ends()})" if found.ends() else "")
