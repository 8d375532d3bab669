"""What an accelerator gives: right results, the time of a step, its kernels, bits, and what rivals give.

    python -m experiments.benchmarks.accelerator OUT [--parts=right,speed,bits,rivals] [--seconds=500]

Every line is printed and appended to OUT/lines.jsonl as soon as it is measured. A line that fails says why,
and the next one is begun. After --seconds nothing new is begun; --most=N takes the first N settings of
`speed`, and --quick tiny models. Parts:

right     loss and gradient in every form (see forms.FORMS) and precision against float64 on the CPU
speed     ms of a step and run-steps per second: 5 digits and modulus 113, blocks of 32 to 512 runs
bits      twice; alone and among others in one block; resumed; in another block
rivals    jax.vmap of a plain model, PyTorch one seed at a time, torch.func.vmap of it, and that compiled
"""

import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.benchmarks import machine, ours, plain, rightness, step_times, workloads
from experiments.benchmarks.forms import form_is
from experiments.benchmarks.lines import Lines
from experiments.benchmarks.step_times import STEPS
from grokjax import training


def bits(lines: Lines) -> None:
    """Whether the parameters after some steps are the same, in four comparisons."""
    for workload in (workloads.addition(1), workloads.modular(59, 0.5, 64, 1.0)):
        if lines.over:
            return
        with lines.trying("bits", model=workload.label):
            whole = after(workload, 24, 20, 8)
            few = jax.tree.map(lambda leaf: leaf[:5], whole)
            lines.put(
                "bits",
                model=workload.label,
                twice=same(whole, after(workload, 24, 20, 8)),
                among_fewer=same(few, after(workload, 5, 20, 8)),
                resumed=same(whole, after(workload, 24, 20, 8, through=10)),
                other_block=same(whole, after(workload, 24, 20, 16)),
                sum=float(sum(np.abs(x).sum(dtype=float) for x in jax.tree.leaves(whole))),
            )


def same(a: Any, b: Any) -> bool:
    """Whether two trees have the same numbers."""
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def after(workload: workloads.Workload, runs: int, steps: int, block: int, through: int | None = None) -> Any:
    """Parameters after so many steps, on the host; `through` a stop from which it is resumed."""
    setting = ours.Setting(workload, runs, 10, block)
    resume = None
    if through:
        last = list(ours.epochs(setting, through))[-1]
        resume = training.Snapshot(last.number, last.step, last.on_host())
    return list(ours.epochs(setting, steps, resume))[-1].on_host().params


def rivals(lines: Lines, quick: bool) -> None:
    """What else one could do with the same card."""
    from experiments.benchmarks import torch_vmap

    runs = 4 if quick else 128
    chosen = [workloads.single_digit(16, 0.0086)] if quick else [workloads.addition(1), workloads.large()[2]]
    for workload in chosen:
        with lines.trying("rivals", model=workload.label, name="jax.vmap"), form_is("plain"):
            contestant, fitted = plain.contestant(workload, runs, STEPS)
            rate(lines, workload, "jax.vmap of a plain model", contestant, fitted)
        for name, compiled, count in (
            ("PyTorch, one seed", False, 1),
            ("torch.func.vmap", False, runs),
            ("torch.func.vmap, compiled", True, runs),
        ):
            if lines.over:
                return
            with lines.trying("rivals", model=workload.label, name=name):
                rate(lines, workload, name, torch_vmap.contestant(workload, count, STEPS, compiled), count)


def rate(
    lines: Lines, workload: workloads.Workload, name: str, contestant: Callable[[], float], runs: int
) -> None:
    """One line of a rival: the median of samples."""
    contestant()
    samples = [contestant() for _ in range(5)]
    found = float(np.median(samples))
    lines.put(
        "rivals",
        model=workload.label,
        name=name,
        runs=runs,
        run_steps_per_second=round(found),
        step_ms=round(1e3 * runs / found, 3),
    )


def main(arguments: list[str]) -> int:
    """Measure the parts that are asked for."""
    if not arguments or arguments[0].startswith("-"):
        print(__doc__)
        return 2
    chosen = dict(each[2:].split("=", 1) for each in arguments if each.startswith("--") and "=" in each)
    quick, folder = "--quick" in arguments, pathlib.Path(arguments[0])
    lines = Lines(folder, float(chosen.get("seconds", 500)))
    lines.put("machine", **machine.describe())
    for part in chosen.get("parts", "right,speed,bits,rivals").split(","):
        began = time.perf_counter()
        with lines.trying(part):
            if part == "right":
                rightness.right(lines)
            elif part == "speed":
                step_times.speed(lines, folder, quick, int(chosen.get("most", 99)))
            elif part == "bits":
                bits(lines)
            elif part == "rivals":
                rivals(lines, quick)
        lines.put("took", of=part, seconds=round(time.perf_counter() - began, 1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
