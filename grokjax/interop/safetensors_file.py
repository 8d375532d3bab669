"""Runs as safetensors files and back, to the bit: weights by name, and all settings as JSON in the header.

Any tool that reads safetensors finds the weights. Reading imports and calls nothing that the file names: a
task is one of the library's, by its name, or given by the caller. The format has no checksums, so the header
has ours: a damaged file is refused.
"""

import dataclasses
import json
import os
import pathlib
import zlib
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors
from jaxtyping import PyTree
from safetensors import numpy as safetensors_numpy

from grokjax import model, tasks
from grokjax.config import INTEGERS, Hyper, ModelConfig, Recipe
from grokjax.run import Run
from grokjax.tasks import Task

FORMAT = "grokjax run 2"
BEFORE_CHECKSUMS = "grokjax run 1"
SETTINGS = ("task", "config", "recipe", "hyper")
TASKS = ("Addition", "GroupComposition", "Induction", "ModularArithmetic", "SkipTrigram")
"""The tasks that a file may name."""

Path = str | os.PathLike[str]


def save_safetensors(run: Run, path: Path) -> None:
    """Writes a run, or a stack of runs, as one safetensors file.

    Functions of one's own (a loss, an optimiser, an operation) are written as their names; reading then needs
    `task` or `recipe`.
    """
    arrays = {name: np.asarray(x, order="C") for name, x in flat(run.params).items()}
    hyper = {name: np.asarray(value).tolist() for name, value in vars(run.hyper).items()}
    settings = dict(
        task=_encoded(run.task), config=_encoded(run.config), recipe=_encoded(run.recipe), hyper=hyper
    )
    texts = {name: json.dumps(value) for name, value in settings.items()}
    metadata = {"format": FORMAT, **texts, "crc32": json.dumps(checksums(arrays, texts))}
    safetensors_numpy.save_file(arrays, os.fspath(path), metadata)


def load_safetensors(path: Path, task: Task | None = None, recipe: Recipe | None = None) -> Run:
    """The run, or the stack, of a file that `save_safetensors` wrote.

    task, recipe: instead of those of the file, needed where they have functions of one's own
    Raises ValueError, saying what was found, for any other file.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file")
    try:
        with safetensors.safe_open(os.fspath(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") not in (FORMAT, BEFORE_CHECKSUMS):
                raise ValueError(f"format={metadata.get('format')!r} in its header instead of {FORMAT!r}")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["format"] == FORMAT:
            _proven(arrays, metadata)
        params = nested({name: jnp.asarray(x) for name, x in arrays.items()})
        settings = {name: json.loads(metadata[name]) for name in SETTINGS}
        task = _task(settings["task"]) if task is None else task
        config = ModelConfig(**_plain(settings["config"], "config"))
        recipe = Recipe(**_plain(settings["recipe"], "recipe")) if recipe is None else recipe
        hyper = _hyper(settings["hyper"])
        return Run(task, config, _checked(config, params, np.shape(hyper.seed)), hyper, recipe)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not the file of a run: {error}") from None


def checksums(arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> dict[str, int]:
    """CRC-32 of the bytes of each array and, as `settings`, of the texts of the settings."""
    own = {name: zlib.crc32(np.ascontiguousarray(x).tobytes()) for name, x in arrays.items()}
    return own | {"settings": zlib.crc32("".join(texts[name] for name in SETTINGS).encode())}


def _proven(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Raises ValueError for arrays or settings that are not those that were written."""
    written, found = json.loads(metadata["crc32"]), checksums(arrays, metadata)
    if not isinstance(written, dict) or written.keys() != found.keys():
        raise ValueError("its checksums are not those of its arrays: the file is damaged")
    if wrong := [name for name, crc in found.items() if written[name] != crc]:
        raise ValueError(f"its {', '.join(wrong)} is not what was written: the file is damaged")


def flat(tree: PyTree, at: str = "") -> dict[str, Any]:
    """The leaves of nested dicts and lists by their path, `blocks.0.W_Q`."""
    if isinstance(tree, dict | list | tuple):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return {name: x for key, item in items for name, x in flat(item, f"{at}{key}.").items()}
    return {at.removesuffix("."): tree}


def nested(leaves: dict[str, Any]) -> PyTree:
    """The nested dicts and lists of leaves by their path; the inverse of `flat`."""
    if set(leaves) == {""}:
        return leaves[""]
    groups: dict[str, dict[str, Any]] = {}
    for name, x in leaves.items():
        first, _, rest = name.partition(".")
        groups.setdefault(first, {})[rest] = x
    if all(key.isdecimal() for key in groups):
        return [nested(groups[key]) for key in sorted(groups, key=int)]
    return {key: nested(group) for key, group in groups.items()}


def _encoded(thing: Any) -> dict[str, Any]:
    fields = {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing) if field.init}
    return {"class": type(thing).__name__, "fields": {name: _value(value) for name, value in fields.items()}}


def _value(value: Any) -> Any:
    return {"function": getattr(value, "__qualname__", repr(value))} if callable(value) else value


def _plain(found: dict[str, Any], name: str) -> dict[str, Any]:
    """The fields of a dataclass in the header, lists as tuples; refused where one is a function."""
    fields = {key: _tuples(value) for key, value in found["fields"].items()}
    for key, value in fields.items():
        if isinstance(value, dict):
            raise ValueError(f"{key} of its {name} is the function {value.get('function')!r}: give {name}=")
    return fields


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _task(found: dict[str, Any]) -> Any:
    if found["class"] not in TASKS:
        raise ValueError(f"its task {found['class']!r} is none of {', '.join(TASKS)}: give task=")
    return getattr(tasks, found["class"])(**_plain(found, "task"))


def _hyper(found: dict[str, Any]) -> Hyper:
    return Hyper(
        **{
            name: jnp.asarray(np.asarray(value, np.int32 if name in INTEGERS else np.float32))
            for name, value in found.items()
        }
    )


def _checked(config: ModelConfig, params: PyTree, lead: tuple[int, ...]) -> PyTree:
    """The parameters, refused where names or shapes are not the config's; `lead` is (S,) for a stack."""
    expected = {name: (*lead, *x.shape) for name, x in flat(model.shapes(config)).items()}
    found = {name: x.shape for name, x in flat(params).items()}
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            raise ValueError(f"{name} has shape {found.get(name)}, its config asks for {expected.get(name)}")
    return params
