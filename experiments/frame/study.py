"""What every experiment shares: its flags, the sweeps that it trains or finds trained, and how its finding is
written down.
"""

import dataclasses
import json
import math
import os
import pathlib
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from experiments import seed_sweep
from grokjax import checkpoints, figures
from grokjax.checkpoints import disk
from grokjax.cli import machine, request
from grokjax.cli.values import UsageError, integer
from grokjax.curves.statistics import Interval, wilson
from grokjax.runner import run

VERDICTS = ("confirmed", "refuted", "open", "built")
LARGEST = 20_000
"""Bytes of a finding: what is longer belongs into the picture's CSV."""
Setting = int | tuple[int, ...]


class Answer(NamedTuple):
    """What an experiment says to one question of the notes: its id, the question, what was measured, the
    number, and a verdict.

    verdict: `confirmed`, `refuted`, `open: why, and what would settle it`, or `built: command`.
    """

    id: str
    question: str
    measured: str
    number: str
    verdict: str


class Finding(NamedTuple):
    """What an experiment found. numbers: plain JSON, an `Interval` as [value, low, high]; data: the picture's
    numbers, columns by name.
    """

    task: str
    size: str
    seeds: Sequence[int]
    answers: Sequence[Answer]
    numbers: dict[str, Any]
    figure: Figure
    data: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Study:
    """One experiment under way: its settings by name, and the directory under which its sweeps lie."""

    settings: dict[str, Setting]
    directory: pathlib.Path
    console: Console

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]

    @property
    def seeds(self) -> list[int]:
        """The seeds of every cell: the first ones."""
        return list(range(self["seeds"]))

    def sweep(self, label: str, **options: Any) -> checkpoints.Sweep:
        """The sweep of `seed_sweep` with these flags, trained as far as its directory lacks it, opened.

        --seeds and --steps are the study's unless given; a list is a grid. Without --save only the first and
        the last epoch are kept.
        """
        return self._sweep(self.directory / label, label, options)

    def shared(self, label: str, **options: Any) -> checkpoints.Sweep:
        """The same for a sweep that several experiments look into: it lies beside their directories."""
        return self._sweep(self.directory.parent / label, label, options)

    def _sweep(self, directory: pathlib.Path, label: str, options: dict[str, Any]) -> checkpoints.Sweep:
        given = {"seeds": self["seeds"], "steps": self["steps"], "save": "0", **options, "output": directory}
        argv = [f"--{name}={_flag(value)}" for name, value in given.items()]
        writer = seed_sweep.prepared(request.read([*argv, "--resume"]), Console(quiet=True))
        if writer is None:
            raise UsageError(f"dry_run={options['dry_run']!r}: an experiment needs its sweeps")
        self.console.print(f"{label}: {' '.join(argv[:-1])}", style="dim", highlight=False)
        if run.run(writer, self.console).interrupted:
            raise KeyboardInterrupt
        return checkpoints.open_sweep(directory)


def _flag(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple | range) else str(value)


def main(module: ModuleType, argv: Sequence[str]) -> int:
    """Run the experiment of a module (its docstring, DEFAULTS and `measure`), print its finding and write it
    down; the exit status.
    """
    name = (
        module.__name__.rpartition(".")[2]
        if module.__name__ != "__main__"
        else pathlib.Path(str(module.__file__)).stem
    )
    machine.set_up()
    if {"-h", "--help", "-help", "--helpfull"} & set(argv):
        print(module.__doc__)
        return 0
    try:
        settings, runs, output = read(name, module.DEFAULTS, argv)
        console = Console(width=None if sys.stdout.isatty() else seed_sweep.WIDTH)
        conclude(name, module.measure(Study(settings, runs, console)), argv, output, console)
    except (UsageError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print(f"{name}: stopped; the same command goes on", file=sys.stderr)
        return 130
    return 0


def read(
    name: str, defaults: dict[str, Setting], argv: Sequence[str]
) -> tuple[dict[str, Setting], pathlib.Path, pathlib.Path]:
    """Settings, the directory of the runs and that of the finding. UsageError for a mistake. A tuple is given
    as 2,3,5.
    """
    registry = flags.FlagValues()
    for flag in defaults:
        flags.DEFINE_string(flag, None, "", flag_values=registry)
    flags.DEFINE_string("runs", f"runs/{name}", "", flag_values=registry)
    flags.DEFINE_string("output", "docs/findings", "", flag_values=registry)
    try:
        rest = registry([name, *argv])[1:]
    except flags.Error as error:
        known = ", ".join(f"--{flag}" for flag in (*defaults, "runs", "output"))
        raise UsageError(f"{str(error).strip().rstrip('?. ')}; the flags are {known}") from None
    if rest:
        raise UsageError(f"{rest[0]!r} belongs to no flag: write --flag=value")
    output = pathlib.Path(registry.output)
    if not output.is_dir():
        raise UsageError(f"--output={registry.output!r} must be a directory that exists")
    given = {flag: text for flag in defaults if (text := getattr(registry, flag)) is not None}
    return (
        {**defaults, **{flag: _setting(flag, text, defaults[flag]) for flag, text in given.items()}},
        pathlib.Path(registry.runs),
        output,
    )


def _setting(flag: str, text: str, default: Setting) -> Setting:
    if isinstance(default, tuple):
        return tuple(integer(flag, part, least=0) for part in text.split(","))
    return integer(flag, text, least=1)


def conclude(
    name: str, finding: Finding, argv: Sequence[str], output: pathlib.Path, console: Console
) -> None:
    """Print the answers, and write NAME.json (at most 20 kB) and the picture beside it."""
    console.print(table(finding.answers))
    text = json.dumps(record(name, finding, argv), indent=1, allow_nan=False)
    text = re.sub(
        r"\[[^][{}\"]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text
    )  # a list of numbers is one line
    if len(text.encode()) > LARGEST:
        raise UsageError(
            f"{name}: its finding has {len(text.encode())} bytes, at most {LARGEST}: leave to the picture's CSV what is long"
        )
    figures.save(finding.figure, output / name, finding.data)
    disk.write(output / f"{name}.json", lambda file: file.write(text.encode() + b"\n"))
    console.print(f"numbers in {output / name}.json, picture in {output / name}.png", highlight=False)


def table(answers: Sequence[Answer]) -> Table:
    """The answers for reading."""
    shown = Table("id", "question", "measured", "number", "verdict", show_lines=True)
    for answer in answers:
        shown.add_row(*answer)
    return shown


def record(name: str, finding: Finding, argv: Sequence[str]) -> dict[str, Any]:
    """The finding as it is kept. UsageError for a verdict of another kind than `VERDICTS`."""
    for answer in finding.answers:
        if not re.fullmatch(r"\d{3}-\d{2}", answer.id) or answer.verdict.partition(":")[0] not in VERDICTS:
            raise UsageError(
                f"{answer.id}: the verdict {answer.verdict!r} must begin with one of {', '.join(VERDICTS)}"
            )
    kept = [flag for flag in argv if not flag.startswith(("--output", "--runs"))]
    return dict(
        command=" ".join([f"python -m experiments.{name}", *kept]),
        commit=commit(),
        machine=described_machine(),
        task=finding.task,
        size=finding.size,
        seeds=dict(count=len(finding.seeds), first=min(finding.seeds), last=max(finding.seeds)),
        answers=[answer._asdict() for answer in finding.answers],
        numbers=plain(finding.numbers),
    )


def commit() -> str:
    """The commit of the checkout, with `+` where files differ from it; empty outside of one."""
    git = lambda *words: subprocess.run(
        ["git", *words], capture_output=True, text=True, cwd=pathlib.Path(__file__).parent, check=False
    )
    try:
        return git("rev-parse", "--short=10", "HEAD").stdout.strip() + (
            "+" if git("status", "--porcelain", "-uno").stdout.strip() else ""
        )
    except FileNotFoundError:
        return ""


def described_machine() -> str:
    """The machine and the versions, in words."""
    device = jax.devices()[0]
    kind = platform.machine() if device.platform == "cpu" else device.device_kind
    return f"{os.cpu_count()} cores, {device.platform} {kind}, Python {platform.python_version()}, jax {jax.__version__}"


def plain(value: Any, digits: int = 5) -> Any:
    """Numbers, intervals and arrays as JSON of `digits` significant digits; what is not finite is null."""
    if isinstance(value, dict):
        return {str(key): plain(x, digits) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [plain(x, digits) for x in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist(), digits)
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


def said(interval: Interval, form: str = ".3g") -> str:
    """An interval in words: 0.71 (0.69 to 0.73); an end that the runs do not determine is `?`."""
    value, low, high = ("?" if x is None else format(x, form) for x in interval)
    return f"{value} ({low} to {high})"


def counted(successes: int, runs: int) -> str:
    """A share of runs in words: 7 of 8 (.53 to .98), Wilson's interval."""
    found = wilson(successes, runs)
    interval = "" if found.low is None or found.high is None else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{successes} of {runs}{interval}"
