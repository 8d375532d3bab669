"""One row of the benchmark: a workload at a number of runs, ours against the rivals and the matrix product,
in turns.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from experiments.benchmarks import matmul, ours, plain, torch_loop
from experiments.benchmarks.measuring import Contestant, in_turns, nothing_compiled, ratios, summary
from experiments.benchmarks.workloads import Effort, Workload


def row(workload: Workload, runs: int, effort: Effort, block: int | None) -> dict[str, Any]:
    """The row of a large model."""
    setting = ours.Setting(workload, runs, effort.steps[runs], block)
    with nothing_compiled():
        return measured(setting, effort.rounds[runs], effort.rival_steps[runs])


def tiny_row(workload: Workload, effort: Effort, block: int | None) -> dict[str, Any]:
    """The row of a tiny model: epochs of the default length."""
    setting = ours.Setting(workload, effort.tiny_runs, 50, block, effort.tiny_epochs)
    with nothing_compiled():
        return measured(setting, effort.tiny_rounds, effort.tiny_rival_steps)


def measured(setting: ours.Setting, rounds: int, rival_steps: int) -> dict[str, Any]:
    """All fields of a row."""
    workload, runs = setting.workload, setting.runs
    compile_seconds, first_step_seconds = ours.first_step(setting)
    with ThreadPoolExecutor() as pool:  # neither is timed, so they are compiled side by side
        counting = pool.submit(ours.flops_per_run_step, setting)
        rival, fitted = plain.contestant(workload, runs, rival_steps)
        flops = counting.result()
    rival()
    contestants: dict[str, Contestant] = dict(
        gemm=matmul.contestant(), ours=ours.sampler(setting), plain=rival
    )
    if (loop := torch_loop.contestant(workload)) is not None:
        contestants["torch"] = loop
    rates = in_turns(contestants, rounds)
    return dict(
        task=workload.name,
        layers=workload.layers,
        runs=runs,
        label=workload.label,
        block=setting.block_size,
        rounds=len(rates["ours"]),
        yardstick_gflop=workload.yardstick,
        flops_per_run_step=flops,
        **summary("run_steps_per_second", rates["ours"]),
        **summary("gemm_gflops", rates["gemm"]),
        **summary("gemm_ratio", ratios(rates["ours"], rates["gemm"], workload.yardstick)),
        **summary("speedup_over_plain_vmap", ratios(rates["ours"], rates["plain"])),
        plain_vmap_runs=fitted,
        **summary("plain_vmap_run_steps_per_second", rates["plain"]),
        **summary("speedup_over_pytorch_loop", ratios(rates["ours"], rates["torch"]) if loop else None),
        **summary("pytorch_loop_run_steps_per_second", rates.get("torch")),
        compile_seconds=compile_seconds,
        first_step_seconds=first_step_seconds,
        **ours.memory(setting),
    )
