"""What an experiment found, and how it is written down."""

import json
import math
import os
import pathlib
import platform
import re
import subprocess
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.frame import measured, result
from experiments.frame.result import Result
from grokjax.checkpoints import disk
from grokjax.figures import Plot

LARGEST = 40_000
"""Bytes of a finding: what is longer belongs into the picture's CSV."""


class Finding(NamedTuple):
    """What an experiment found: its answers, its picture, and numbers as plain JSON.

    An `Interval` among the numbers is kept as [value, low, high].
    """

    task: str
    size: str
    seeds: Sequence[int]
    answers: Sequence[Result]
    numbers: dict[str, Any]
    plot: Plot


def conclude(
    name: str, finding: Finding, argv: Sequence[str], output: pathlib.Path, console: Console
) -> None:
    """Prints the answers, and writes NAME.json (at most 40 kB) and the picture beside it.

    name: the experiment's module, experiments.THEME.NAME
    """
    console.print(table(finding.answers))
    text = json.dumps(record(name, finding, argv), indent=1, allow_nan=False)
    # a list of numbers is one line
    text = re.sub(r"\[[^][{}\"]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    if len(text.encode()) > LARGEST:
        raise ValueError(
            f"the finding has {len(text.encode())} bytes, at most {LARGEST}: "
            "leave to the picture's CSV what is long"
        )
    output.mkdir(parents=True, exist_ok=True)
    stem = output / name.rpartition(".")[2]
    finding.plot.save(stem)
    disk.write(stem.with_suffix(".json"), lambda file: file.write(text.encode() + b"\n"))
    console.print(f"numbers in {stem}.json, picture in {stem}.png", highlight=False)


def table(answers: Sequence[Result]) -> Table:
    """The answers for reading."""
    shown = Table("id", "answer", "numbers", "verdict", show_lines=True)
    for answer in answers:
        numbers = [
            f"{row.quantity}: {measured.value(row)} ({measured.sure(row)})" for row in answer.rows.values()
        ]
        shown.add_row(
            answer.id, result.written(answer.sentence, answer.rows), "\n".join(numbers), answer.verdict
        )
    return shown


def record(name: str, finding: Finding, argv: Sequence[str]) -> dict[str, Any]:
    """The finding as it is kept. Raises ValueError for an answer that the page must not show."""
    kept = [flag for flag in argv if not flag.startswith(("--output", "--runs"))]
    return dict(
        command=" ".join([f"python -m {name}", *kept]),
        commit=commit(),
        machine=described_machine(),
        task=finding.task,
        size=finding.size,
        seeds=dict(count=len(finding.seeds), first=min(finding.seeds), last=max(finding.seeds)),
        answers=[result.plain(result.check(answer)) for answer in finding.answers],
        numbers=plain(finding.numbers),
    )


def commit() -> str:
    """The commit of the checkout, with `+` where its code differs from it; empty outside of one."""
    git = lambda *words: subprocess.run(
        ["git", *words], capture_output=True, text=True, cwd=pathlib.Path(__file__).parent, check=False
    )
    try:
        changed = git("status", "--porcelain", "-uno", "--", ":/grokjax", ":/experiments").stdout.strip()
        return git("rev-parse", "--short=10", "HEAD").stdout.strip() + ("+" if changed else "")
    except FileNotFoundError:
        return ""


def described_machine() -> str:
    """The machine and the versions, in words."""
    device = jax.devices()[0]
    kind = platform.machine() if device.platform == "cpu" else device.device_kind
    versions = f"Python {platform.python_version()}, jax {jax.__version__}"
    return f"{os.cpu_count()} cores, {device.platform} {kind}, {versions}"


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
