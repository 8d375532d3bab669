"""The directory of a sweep: what it will record, whether it can be made or gone on with, and its writer."""

import os
import pathlib
import shutil
import sys

from grokjax import checkpoints
from grokjax.checkpoints import spec as specs
from grokjax.cli.request import Request
from grokjax.cli.values import UsageError
from grokjax.runner.plan import Plan, size


def specification(request: Request, made: Plan) -> checkpoints.Spec:
    """What the directory records. The block of a recorded sweep is kept unless --block says otherwise: it
    belongs to a run's bits.
    """
    block = made.block
    if request.resume and request.block is None and recorded(request):
        block = specs.read(pathlib.Path(request.output))["block"] or block
    return checkpoints.Spec(
        request.task,
        request.config,
        request.recipe,
        request.hypers,
        request.steps,
        request.epoch_steps,
        request.save,
        block=block,
        part_runs=made.part_runs if made.part_runs < made.num_runs else None,
        num_devices=len(made.devices),
        command=" ".join(sys.argv),
    )


def recorded(request: Request) -> bool:
    """Whether the directory already holds a sweep."""
    return (pathlib.Path(request.output) / "config.json").is_file()


def check(request: Request, made: Plan, spec: checkpoints.Spec) -> None:
    """Refuse, without writing, what the directory or its disk cannot take. ValueError names the difference to
    what is recorded.
    """
    directory = pathlib.Path(request.output).absolute()
    if recorded(request) and not request.resume:
        raise UsageError(
            f"--output={request.output} already holds a sweep: go on with --resume, or choose another directory"
        )
    if recorded(request):
        specs.refuse_differences(directory, specs.read(directory), spec)
    existing = next(folder for folder in (directory, *directory.parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UsageError(
            f"--output={request.output} cannot be made: {existing} is not a folder that you may write to"
        )
    there = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    if (free := shutil.disk_usage(existing).free) < made.disk - there:
        raise UsageError(
            f"--output={request.output} needs {size(made.disk - there)} and {existing} has {size(free)} free: "
            "save fewer epochs, or choose another disk"
        )


def opened(request: Request, spec: checkpoints.Spec) -> checkpoints.Writer:
    """The writer of the directory, made or found."""
    return (checkpoints.resume if request.resume else checkpoints.create)(request.output, spec)
