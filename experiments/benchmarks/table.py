"""The benchmark for reading: medians, and in brackets the range over rounds, or for overheads the interval of
the median.
"""

from typing import Any

from rich.table import Table

from grokjax.runner.plan import size

COLUMNS = (
    "model",
    "runs",
    "GFLOP",
    "run-steps/s",
    "matmul GFLOP/s",
    "gemm ratio",
    "× plain vmap",
    "× PyTorch",
    "compile s",
    "first step s",
    "peak",
    "a run",
)
OVERHEADS = ("metrics", "evaluation", "saving", "together")


def rows(title: str, measured: list[dict[str, Any]]) -> Table:
    """A line per row."""
    shown = Table(*COLUMNS, title=title)
    for row in measured:
        fitted = f" ({row['plain_vmap_runs']} fit)" if row["plain_vmap_runs"] < row["runs"] else ""
        shown.add_row(
            row["label"],
            str(row["runs"]),
            f"{row['flops_per_run_step'] / 1e9:.3g}",
            spread(row, "run_steps_per_second"),
            spread(row, "gemm_gflops"),
            spread(row, "gemm_ratio"),
            spread(row, "speedup_over_plain_vmap") + fitted,
            spread(row, "speedup_over_pytorch_loop"),
            f"{row['compile_seconds']:.1f}",
            f"{row['first_step_seconds']:.1f}",
            size(row["peak_bytes"]),
            size(row["bytes_per_run"]),
        )
    return shown


def spread(row: dict[str, Any], name: str, around: str = "range", form: str = ".3g") -> str:
    """The median of a field, and its range or interval."""
    if row[name] is None:
        return "not measured"
    least, most = row[f"{name}_{around}"]
    return f"{row[name]:{form}} [{least:{form}}, {most:{form}}]"


def sentences(measured: dict[str, Any]) -> list[str]:
    """The other sections in words."""
    said = []
    for found in measured["overheads"]:
        metrics, evaluation, saving, both = (spread(found, name, "interval", ".1%") for name in OVERHEADS)
        said.append(
            f"{found['label']}, {found['runs']} runs: metrics of every step take {metrics} of a sweep's "
            "time, the evaluation "
            f"{evaluation}, saving {saving}, together {both}"
        )
    for found in measured["more_runs"]:
        said.append(
            f"{found['label']}: a run-step among 128 runs costs {spread(found, 'cost')} times one among 8"
        )
    if found := measured["start"]:
        cold, warm, imports, alone = (
            spread(found, f"{name}_seconds") for name in ("cold", "warm", "import", "jax_and_devices")
        )
        said.append(
            f"from the command to the first trained step: {cold} s, the second time {warm} s; imports "
            f"{imports} s, JAX with its "
            f"devices alone {alone} s"
        )
    return said
