"""How fast does training run, against the machine's matrix product, a plain `jax.vmap` and a PyTorch loop
over seeds?

    python -m experiments.benchmark --json benchmark.json [--size small|full] [--block N]

One process measures everything in turns and writes {"machine": ..., "rows": [...], "tiny": [...], ...}; a
field and its field_range are the median and [least, most] over its `rounds`. --block: runs of one program (an
accelerator's block may be tried on a CPU).

flops_per_run_step     XLA's count of the compiled step, rows of a batch in one chunk
run_steps_per_second   of `grokjax.train` on all devices, with the metrics of every step and the evaluation at
its default interval gemm_gflops            the best plain product of two 2048 x 2048 float32 matrices on all
cores
gemm_ratio             run_steps_per_second x yardstick / gemm_gflops; the yardstick is a fixed amount of
arithmetic, in GFLOP: 1.52 for
                       5 digits (2 layers as well), 3.84 for modulus 113, .0776 and .0086 for 2 digits at
                       width 64 and 16, .1116 for 23
speedup_over_...       plain_vmap: a plain model under jax.vmap, one program on all cores (plain_vmap_runs: as
  many as fit into memory);
                       pytorch_loop: plain PyTorch, one seed after another; null where torch is not installed
compile_seconds        what the first call of `train` takes longer than a second one
first_step_seconds     from that call until every run has made a step
peak_bytes             the state twice, block_bytes and metrics of an epoch; bytes_per_run: parameters,
moments; block_bytes: XLA's
                       temporaries of one block on each device
overheads, more_runs, start (full size): shares of a sweep's time; a run-step at 128 runs over one at 8;
seconds from the command to the first trained step

An overhead and its overhead_interval are the median and what holds it with 95%. Metrics and evaluation are
timed in stretches of 20 steps; a save counts by its CPU time over the cores (on an accelerator by the time it
blocks the host): the next epoch trains meanwhile.

Time on two cores: the full size 31 minutes (a slower machine makes fewer rounds), `--size small` (8 runs, two
  large models and a tiny one) 103 s, 117 of a busy hour.
"""

import json
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from absl import flags
from rich.console import Console

from experiments.benchmarks import machine, overheads, rows, start, table, workloads
from grokjax.cli.values import UsageError, integer, writable
from grokjax.training import devices

WIDTH = 180
"""Characters of a line where there is no terminal."""


class Settings(NamedTuple):
    """What the flags ask for."""

    path: pathlib.Path | None
    effort: workloads.Effort
    block: int | None


def main(argv: Sequence[str]) -> int:
    """Measure, print, write; the exit status: 2 for a user's mistake."""
    if {"-h", "--help", "-help", "--helpfull"} & set(argv):
        print(__doc__)
        return 0
    try:
        settings = read(argv)
    except ValueError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 2
    devices.one_per_core()
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    measured: dict[str, Any] = dict(
        machine=machine.describe(), rows=[], tiny=[], overheads=[], more_runs=[], start=None
    )
    for section, found in measure(settings):
        measured[section] = found if section == "start" else measured[section] + [found]
        if settings.path:  # after every row, so that nothing measured is lost
            settings.path.write_text(json.dumps(measured, indent=1, allow_nan=False) + "\n")
        console.print(f"{section}: {found.get('label', '')} {found.get('runs', '')}", highlight=False)
    show(measured, console)
    if settings.path:
        console.print(
            f"{len(measured['rows']) + len(measured['tiny'])} rows in {settings.path}", highlight=False
        )
    return 0


def read(argv: Sequence[str]) -> Settings:
    """The settings of a command line; ValueError, in one sentence, for what cannot be read."""
    registry = flags.FlagValues()
    for name, default in (("json", None), ("size", "full"), ("block", None)):
        flags.DEFINE_string(name, default, "", flag_values=registry)
    try:
        rest = registry(["benchmark", *argv])[1:]
    except flags.Error as error:
        raise UsageError(
            f"{str(error).strip().rstrip('?. ')}; the flags are --json, --size, --block"
        ) from None
    if rest:
        raise UsageError(f"{rest[0]!r} belongs to no flag: write --flag=value")
    if registry.size not in workloads.SIZES:
        raise UsageError(f"--size={registry.size!r} must be one of {', '.join(workloads.SIZES)}")
    block = None if registry.block is None else integer("block", registry.block, least=1)
    return Settings(writable("json", registry.json), workloads.SIZES[registry.size], block)


def measure(settings: Settings) -> Iterator[tuple[str, dict[str, Any]]]:
    """(section, what was measured) one after another."""
    effort, block, addition = settings.effort, settings.block, workloads.addition(1)
    for workload in (workloads.tiny()[i] for i in effort.tiny):
        yield "tiny", rows.tiny_row(workload, effort, block)
    for runs in effort.rounds:
        for workload in (workloads.large()[i] for i in effort.large):
            yield "rows", rows.row(workload, runs, effort, block)
    if effort.sections:
        yield "more_runs", overheads.more_runs(addition, effort, block)
        for found in overheads.shares(addition, effort, block):
            yield "overheads", found
        yield "start", start.first_step(3)


def show(measured: dict[str, Any], console: Console) -> None:
    """Print the tables and the sentences."""
    found = measured["machine"]
    console.print(
        f"{found['processor']}, {found['cores']} cores, {found['num_devices']} {found['platform']} devices",
        highlight=False,
    )
    console.print(table.rows("large models", measured["rows"]))
    console.print(table.rows("tiny models", measured["tiny"]))
    for sentence in table.sentences(measured):
        console.print(sentence, highlight=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
