"""What models that others released measure: one table, one page of figures, one JSON file.

    python -m experiments.modular.released_models DIR --json FILE [--train_fraction F --split_seed S]

DIR holds checkpoints (.pt, .pth); no code of a file is run:
  modular tasks of Nanda et al. (arXiv:2301.05217)
  clock and pizza models (arXiv:2306.17844) with config_ID.json beside model_ID.pt
  group models (arXiv:2302.03025) with NAME.cfg.json beside NAME.model.pt

--json: FILE gets {"rows": [...]}, a row for each file; the figures go beside it as .png, .svg and .csv
--train_fraction, --split_seed: another split than the files record; pizza models record none

Everything is computed in float64. Null: the measure does not apply, or the file records no split.

Time: 1 to 3 minutes for each model of 59 or 113 residues on two cores.

Found: the numbers that the authors' own code gives, to 1e-4 and better.
"""

import argparse
import json
import math
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from grokjax import figures, interop, tasks
from grokjax.interp.modular import components, pizza, progress

FIELDS = (
    *("loss", "loss_train", "loss_test", "accuracy", "key_frequencies", "neuron_counts"),
    *("restricted_loss", "excluded_loss_2D", "excluded_loss_3D", "gini_W_E", "gini_W_L"),
    *("gradient_symmetricity", "gradient_symmetricity_sample", "distance_irrelevance"),
    *("distance_irrelevance_top_wrong_logit", "circularity", "key_representations", "excluded_loss_isotypic"),
)
"""What a row has besides the file's name and its kind."""
SHOWN = (
    "loss",
    "accuracy",
    "key_frequencies",
    "gradient_symmetricity",
    "distance_irrelevance",
    "circularity",
)
"""The columns of the printed table."""

Model = Any
Mask = np.ndarray | None
Measure = Callable[[Model, Mask], dict[str, Any]]


def read(path: pathlib.Path) -> tuple[str, Model]:
    """The kind of a checkpoint, by the settings beside it, and its run."""
    if path.name.startswith("model_") and path.with_name(f"config_{path.stem[6:]}.json").is_file():
        run = interop.pizza(path)
        return ("pizza" if hasattr(run, "config") else "pizza_linear"), run
    beside = path.with_name(f"{path.name.removesuffix('.pt').removesuffix('.model')}.cfg.json")
    if beside.is_file() or (path.parent / "cfg.json").is_file():
        run = interop.group(path)
        return ("group" if hasattr(run, "config") else "group_mlp"), run
    return "nanda", interop.nanda(path)


def training_rows(kind: str, run: Model, fraction: float | None, seed: int | None) -> Mask:
    """Which rows of the table a model was trained on; None where neither file nor caller says it."""
    rule = tasks.torch_split if kind.startswith("group") else tasks.split
    if fraction is None or seed is None:
        if kind.startswith("pizza"):
            return None
        fraction, seed = float(str(np.float32(run.hyper.train_fraction))), int(run.hyper.seed)
    size = len(run.task.table().tokens)
    mask = np.zeros(size, bool)
    mask[rule(size, fraction, seed)[0]] = True
    return mask


def row(path: pathlib.Path, fraction: float | None = None, seed: int | None = None) -> dict[str, Any]:
    """All that is measured of one file. A file that is no such model has its error as `error`."""
    found: dict[str, Any] = {"file": path.name, "kind": None, **dict.fromkeys(FIELDS)}
    try:
        found["kind"], run = read(path)
    except (ValueError, OSError) as error:
        return found | {"error": str(error)}
    if not run.task.finite:
        return found
    train = training_rows(found["kind"], run, fraction, seed)
    measures: list[Measure] = [losses, of_components]
    if isinstance(run.task, tasks.ModularArithmetic) and run.task.operation == "add":
        measures.append(of_clock_and_pizza)
    return found | in_float64(run, train, *measures)


def in_float64(run: Model, train: Mask, *measures: Measure) -> dict[str, Any]:
    """What the functions measure on the float32 weights of a model, computed in float64."""
    with jax.enable_x64(True):
        run = run.replace(params=jax.tree.map(lambda x: jnp.asarray(np.asarray(x, float)), run.params))
        found = {name: value for measure in measures for name, value in measure(run, train).items()}
        return {name: plain(value) for name, value in found.items()}


def losses(run: Model, train: Mask) -> dict[str, Any]:
    """The losses over all output logits, and the accuracy."""
    table = run.task.table()
    scores = jax.jit(lambda run, *batch: run.scores(tasks.Batch(*batch)))(run, *table)
    loss, found = np.asarray(scores.loss)[:, 0], dict(accuracy=np.asarray(scores.correct).mean())
    if train is not None:
        found |= dict(loss_train=loss[train].mean(), loss_test=loss[~train].mean())
    return found | dict(loss=loss.mean())


def of_components(run: Model, train: Mask) -> dict[str, Any]:
    """What frequencies or representations explain, where the task has them and the model has neurons."""
    try:
        known = components.of_task(run.task)
        complete = len(run.task.table().tokens) == run.task.num_symbols**2
    except ValueError:
        return {}
    cyclic = isinstance(run.task, tasks.ModularArithmetic)
    found: dict[str, Any] = {}
    if cyclic and run.params["W_E"].ndim == 2:
        found["gini_W_E"] = progress.gini_of_embedding(run)
    if not complete or not hasattr(run, "config") or not run.config.mlp:
        return found
    shown = np.ones(len(run.task.table().tokens), bool) if train is None else train
    measures = jax.jit(progress.measures)(run, shown)
    above, keys = np.asarray(measures.clusters.counts_above), np.flatnonzero(measures.keys)
    found["restricted_loss"] = measures.restricted_loss
    if not cyclic:
        found |= dict(key_representations=[known.names[i] for i in keys], neuron_counts=above[keys])
        return found | ({} if train is None else dict(excluded_loss_isotypic=measures.excluded_loss))
    found |= dict(key_frequencies=1 + np.flatnonzero(above), neuron_counts=above[above > 0])
    found["gini_W_L"] = progress.gini_of_logit_weights(run)
    if train is not None:
        found |= dict(
            excluded_loss_2D=measures.excluded_loss, excluded_loss_3D=measures.excluded_character_loss
        )
    return found


def of_clock_and_pizza(run: Model, train: Mask = None) -> dict[str, Any]:
    """The measures that tell a clock from a pizza; what does not apply (an even modulus) is left out."""
    every: dict[str, Callable[[Model], Any]] = dict(
        gradient_symmetricity=lambda run: pizza.gradient_symmetricity(run).mean,
        gradient_symmetricity_sample=lambda run: pizza.gradient_symmetricity_sample(run).mean,
        distance_irrelevance=pizza.distance_irrelevance,
        distance_irrelevance_top_wrong_logit=pizza.distance_irrelevance_of_wrong_logit,
        circularity=pizza.circularity,
    )
    if run.task.modulus % 2 == 0:
        every = {name: function for name, function in every.items() if not name.startswith("distance")}
    if run.params["W_E"].ndim != 2:
        del every["circularity"]
    return {name: jax.jit(function)(run) for name, function in every.items()}


def plain(value: Any) -> Any:
    """Numbers and arrays as JSON has them; what is not finite is null."""
    value = value if isinstance(value, list) else np.asarray(value).tolist()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def page(rows: Sequence[dict[str, Any]]) -> figures.Plot:
    """One page: a panel for each measure that is a number, a point for each file."""
    numbers = [name for name in FIELDS if any(isinstance(row[name], float) and row["kind"] for row in rows)]
    panels = {}
    for name in numbers:
        shown = [row for row in rows if row[name] is not None]
        panels[name.replace("_", " ")] = {
            kind: figures.Points(
                [rows.index(row) + 1.0 for row in shown if row["kind"] == kind],
                [(row[name],) * 3 for row in shown if row["kind"] == kind],
            )
            for kind in dict.fromkeys(row["kind"] for row in shown)
        }
    return figures.points(
        panels, xlabel="file, in the order of the table", ylabel="", joined=False, sharey=False
    )


def printed(rows: Sequence[dict[str, Any]]) -> Table:
    """The table that is printed."""
    shown = Table("", "file", "kind", *SHOWN)
    text = lambda x: "" if x is None else f"{x:.4g}" if isinstance(x, float) else str(x)
    for number, one in enumerate(rows, 1):
        shown.add_row(
            str(number), one["file"], one["kind"] or "not read", *(text(one[name]) for name in SHOWN)
        )
    return shown


def main(argv: Sequence[str]) -> int:
    """Measures every checkpoint of a directory and returns the exit status."""
    parser = argparse.ArgumentParser("released_models", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path, required=True, metavar="FILE")
    parser.add_argument("--train_fraction", type=float)
    parser.add_argument("--split_seed", type=int)
    given = parser.parse_args(argv)
    if (given.train_fraction is None) != (given.split_seed is None):
        parser.error("--train_fraction and --split_seed belong together: give both or neither")
    if given.train_fraction is not None and not 0 < given.train_fraction <= 1:
        parser.error(f"--train_fraction={given.train_fraction} must be above 0 and at most 1")
    if not given.directory.is_dir():
        parser.error(f"{given.directory} is not a directory")
    paths = sorted(path for path in given.directory.iterdir() if path.suffix in (".pt", ".pth"))
    if not paths:
        parser.error(f"{given.directory} has no file that ends in .pt or .pth")
    console, rows = Console(), []
    for path in paths:
        rows.append(row(path, given.train_fraction, given.split_seed))
        console.print(f"{path.name}: {rows[-1]['kind'] or rows[-1]['error']}", style="dim", highlight=False)
        given.json.write_text(json.dumps({"rows": rows}, indent=1, allow_nan=False) + "\n")
    console.print(printed(rows))
    if any(one["kind"] for one in rows):
        page(rows).save(given.json.with_suffix(""))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
