"""The directory of a sweep: where it is, what it will record, whether it can be made or gone on with."""

import dataclasses
import os
import pathlib
import shutil

import numpy as np

from grokjax import checkpoints, sweep
from grokjax.checkpoints import growth
from grokjax.checkpoints import spec as specs
from grokjax.runner.plan import Plan, size
from grokjax.runner.request import Request, UsageError


def place(directory: str | os.PathLike) -> pathlib.Path:
    """The directory, absolute, `~` as the home. Raises UsageError for an address of another kind of store."""
    text = os.fspath(directory)
    if not text.strip():
        raise UsageError("output='' is empty: name a directory")
    if "://" in text:
        raise UsageError(
            f"output={text} is an address, not a directory: sweeps are written to a mounted file system"
        )
    return pathlib.Path(text).expanduser().absolute()


def recorded(directory: pathlib.Path) -> bool:
    """Whether the directory already holds a sweep."""
    return (directory / "config.json").is_file()


def recorded_block(directory: pathlib.Path) -> int | None:
    """The block of the sweep that the directory holds; it belongs to a run's bits, so it is kept."""
    return specs.read(directory)["block"] if recorded(directory) else None


def in_recorded_order(directory: pathlib.Path, request: Request) -> Request:
    """The request with its runs in the order of the directory: what it holds, then what is new.

    So a new value of a knob adds runs, wherever it stands in the grid. It is returned as it is where it does
    not ask for everything that is recorded; `check` refuses that.
    """
    if not (recorded(directory) and request.resume):
        return request
    columns = growth.recorded_columns(directory, specs.read(directory), request.hypers)
    order = growth.order(columns, specs.columns(request.hypers))
    if order is None or (order == np.arange(len(order))).all():
        return request
    return dataclasses.replace(request, hypers=sweep.select(request.hypers, order))


def specification(request: Request, made: Plan) -> checkpoints.Spec:
    """What the directory records."""
    return checkpoints.Spec(
        request.task,
        request.config,
        request.recipe,
        request.hypers,
        request.steps,
        request.epoch_steps,
        request.save,
        block=made.block,
        part_runs=made.part_runs if made.part_runs < made.num_runs else None,
        num_devices=len(made.devices),
        command=request.command,
    )


def check(directory: pathlib.Path, request: Request, made: Plan, spec: checkpoints.Spec) -> None:
    """Refuses, without writing, what the directory or its disk cannot take.

    Raises ValueError that names the difference to what is recorded.
    """
    if recorded(directory) and not request.resume:
        raise UsageError(
            f"output={directory} already holds a sweep: go on with it (resume=True), or choose another "
            "directory"
        )
    if recorded(directory):
        refuse_differences(directory, spec)
    existing = next(folder for folder in (directory, *directory.parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UsageError(
            f"output={directory} cannot be made: {existing} is not a folder that you may write to"
        )
    needed = made.disk - sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    if (free := shutil.disk_usage(existing).free) < needed:
        raise UsageError(
            f"output={directory} needs {size(needed)} and {existing} has {size(free)} free: "
            "save fewer epochs, or choose another disk"
        )


def refuse_differences(directory: pathlib.Path, spec: checkpoints.Spec) -> None:
    """Raises ValueError that names the difference to what is recorded, and how to add values to it."""
    found = specs.read(directory)
    try:
        specs.refuse_differences(directory, found, spec)
    except ValueError as error:
        columns = growth.recorded_columns(directory, found, spec.hypers)
        raise ValueError(f"{error}{growth.advice(columns, specs.columns(spec.hypers))}") from None


def opened(directory: pathlib.Path, request: Request, spec: checkpoints.Spec) -> checkpoints.Writer:
    """The writer of the directory, made or found."""
    return (checkpoints.resume if request.resume else checkpoints.create)(directory, spec)
