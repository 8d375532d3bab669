"""Reads the models that others released: modular tasks (Nanda), clock and pizza, groups."""

import os
import pathlib
from typing import Any

import numpy as np

from grokjax.config import ModelConfig, Recipe
from grokjax.interop import orientation, settings, torch_file, without_attention
from grokjax.interop.embedding_mlp import EmbeddingMLP
from grokjax.run import Run
from grokjax.tasks import Addition, GroupComposition, Induction, ModularArithmetic, Task

Path = str | os.PathLike[str]


def nanda(path: Path, task: Task | None = None) -> Run:
    """The run of a checkpoint of Nanda et al. (arXiv:2301.05217): modular tasks, n-digit addition, induction.

    task: where the file does not tell it: its function is another, or its sizes fit nothing known. None: from
      the settings in the file, else from the sizes of the weights

    Hypers are those that the file has, else the preset's. `tasks.split(N, fraction, seed)` gives its split.
    Raises ValueError, saying what was found, where the file is something else.
    """
    checkpoint = torch_file.load_torch(path)
    model = _explained(path, orientation.from_columns, checkpoint.weights)
    try:
        task = _nanda_task(checkpoint.rest, _sizes(model)) if task is None else task
        hyper = settings.typed(**_nanda_hyper(checkpoint.rest))
        return run_of(task, model, hyper, activation=_nanda_activation(checkpoint.rest))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def pizza(path: Path, config_path: Path | None = None, task: Task | None = None) -> Run | EmbeddingMLP:
    """The run of a checkpoint of Zhong et al. (arXiv:2306.17844), with the attention rate of its settings.

    config_path: its settings; None: config_ID.json beside model_ID.pt
    task: where its function is none that the library knows

    The models without attention (`model_type` A, B, C, D, X or `use_linear`) are an `EmbeddingMLP`. The split
    was not recorded. Raises ValueError, saying what was found, where the file is something else.
    """
    path = pathlib.Path(path)
    beside = path.with_name(path.name.replace("model_", "config_", 1)).with_suffix(".json")
    found = settings.read(pathlib.Path(config_path) if config_path is not None else beside)
    checkpoint = torch_file.load_torch(path)
    try:
        modulus = int(settings.number(found, "C"))
        hyper = dict(
            weight_decay=settings.number(found, "weight_decay", 1e-4),
            learning_rate=settings.number(found, "lr", 1e-3),
            train_fraction=settings.number(found, "frac", 0.8),
        )
        if "model_type" in found:
            hyper |= dict(b2=0.999, warmup_steps=0.0)
            return without_attention.pizza(
                found, checkpoint.weights, task or ModularArithmetic(modulus, equals=False), hyper
            )
        operation = "add" if task else settings.operation(str(found.get("funcs")), modulus)
        activation = str(found.get("act_fn", "ReLU")).lower()
        if found.get("use_linear", False):
            return without_attention.linearformer(
                checkpoint.weights, modulus, operation, activation, hyper, task
            )
        model = orientation.from_columns(checkpoint.weights)
        if model.fields["num_heads"] != found.get("n_heads", model.fields["num_heads"]):
            raise ValueError(f"weights of {model.fields['num_heads']} heads, settings of {found['n_heads']}")
        task = task or settings.modular(modulus, _sizes(model), operation)
        hyper["attention_rate"] = settings.number(found, "attn_coeff")
        width = model.params["blocks"][0]["W_in"].shape[1]
        hyper["scale_W_in"] = float(np.sqrt(model.fields["d_model"] / width))
        return run_of(task, model, settings.typed(**hyper), activation=activation, mask="full")
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def group(path: Path, config_path: Path | None = None, task: Task | None = None) -> Run | EmbeddingMLP:
    """The run of a checkpoint of Chughtai et al. (arXiv:2302.03025): composition in a group.

    config_path: its settings; None: NAME.cfg.json beside NAME.model.pt, or cfg.json in its folder
    task: where the settings do not tell it

    A cyclic group is modular addition, so its task is a ModularArithmetic. Models without attention are an
    `EmbeddingMLP`. `tasks.torch_split(N, fraction, seed)` gives its split. Raises ValueError, saying what was
    found, where the file is something else.
    """
    path = pathlib.Path(path)
    beside = path.with_name(path.name.removesuffix(".pt").removesuffix(".model") + ".cfg.json")
    if config_path is None and not beside.is_file() and (path.parent / "cfg.json").is_file():
        beside = path.parent / "cfg.json"
    found = settings.read(pathlib.Path(config_path) if config_path is not None else beside)
    checkpoint = torch_file.load_torch(path)
    try:
        b1, b2 = found.get("betas", (0.9, 0.98))
        hyper = dict(
            seed=int(settings.number(found, "seed", 0)),
            learning_rate=settings.number(found, "lr", 1e-3),
            weight_decay=settings.number(found, "weight_decay", 1.0),
            train_fraction=settings.number(found, "frac_train", 0.3),
            b1=b1,
            b2=b2,
            warmup_steps=0.0,
            init_scale=0.8,
        )
        if "W_U" in checkpoint.weights:
            return without_attention.group(
                checkpoint.weights, task or _group_task(found, equals=False), hyper
            )
        task = task or _group_task(found)
        return run_of(task, orientation.from_rows(checkpoint.weights), settings.typed(**hyper))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def _explained(path: Path, function: Any, weights: Any) -> orientation.Model:
    try:
        return function(weights)
    except ValueError as error:
        raise ValueError(f"{path} is not a model of this kind: it has {error}") from None


def _sizes(model: orientation.Model) -> dict[str, int]:
    params = model.params
    return dict(
        vocabulary=len(params["W_E"]), num_positions=len(params["W_pos"]), num_outputs=params["W_U"].shape[1]
    )


def run_of(task: Task, model: orientation.Model, hyper: Any, **options: Any) -> Run:
    """The run of a model for a task; a last position, which holds only the last answer, is left out.

    Raises ValueError where the weights do not fit the task.
    """
    config = ModelConfig.of(task, **model.fields, **options)
    sizes, params = _sizes(model), dict(model.params)
    if sizes["num_positions"] == config.num_positions + 1:
        params["W_pos"] = params["W_pos"][: config.num_positions]
        sizes["num_positions"] -= 1
    for name, size in sizes.items():
        if size != getattr(config, name):
            raise ValueError(f"weights of {name}={size}, but {task!r} has {name}={getattr(config, name)}")
    params = {name: without_attention.on_device(x) for name, x in params.items()}
    return Run(task, config, params, hyper, Recipe())


def _nanda_task(rest: dict[str, Any], sizes: dict[str, int]) -> Any:
    """The task of the settings in a file, or of the sizes of its weights."""
    config, data = rest.get("config") or {}, rest.get("data_config") or {}
    vocabulary, positions, outputs = sizes["vocabulary"], sizes["num_positions"], sizes["num_outputs"]
    if isinstance(data, dict) and {"subseq_len", "seq_len", "num_repeats"} <= set(data):
        return Induction(vocabulary, data["seq_len"], data["subseq_len"], data["num_repeats"])
    if isinstance(config, dict) and "p" in config:
        name = config.get("fn_name", "add")
        if name not in settings.NAMES:
            raise ValueError(f"the function {name!r} is not one of {', '.join(settings.NAMES)}: give task=")
        return settings.modular(int(config["p"]), sizes, settings.NAMES[name])
    if positions in (2, 3):
        return settings.modular(vocabulary - (positions == 3), sizes)
    if vocabulary == 12 and positions % 3 == 0 and outputs in (10, 12):
        return Addition(positions // 3 - 1, outputs="digits" if outputs == 10 else "tokens")
    raise ValueError(f"weights of {sizes} fit no task that is known: give task=")


def _nanda_hyper(rest: dict[str, Any]) -> dict[str, Any]:
    """What the optimiser of the file was set to, else its settings, else the preset."""
    hyper: dict[str, Any] = {"weight_decay": 1.0}
    names = {
        "lr": "learning_rate",
        "weight_decay": "weight_decay",
        "seed": "seed",
        "frac_train": "train_fraction",
    }
    for source in (rest.get("optim_config"), rest.get("config"), _first_group(rest)):
        if isinstance(source, dict):
            hyper |= {ours: settings.number(source, name) for name, ours in names.items() if name in source}
            if isinstance(source.get("betas"), tuple | list) and len(source["betas"]) == 2:
                hyper["b1"], hyper["b2"] = source["betas"]
    return hyper


def _first_group(rest: dict[str, Any]) -> Any:
    optimizer = rest.get("optimizer")
    groups = optimizer.get("param_groups") if isinstance(optimizer, dict) else None
    return groups[0] if isinstance(groups, list) and groups else None


def _nanda_activation(rest: dict[str, Any]) -> str:
    config = rest.get("model_config") or rest.get("config") or {}
    return str(config.get("act_type", "ReLU")).lower() if isinstance(config, dict) else "relu"


def _group_task(found: dict[str, Any], equals: bool = True) -> Any:
    """The task of a group's settings: its kind and its number."""
    kind, size = found.get("group"), int(settings.number(found, "group_parameter"))
    letters = dict(CyclicGroup="C", DihedralGroup="D", AlternatingGroup="A", SymmetricGroup="S")
    if kind not in letters:
        raise ValueError(f"group={kind!r} must be one of {', '.join(letters)}")
    if kind == "CyclicGroup":
        return ModularArithmetic(size, outputs="digits", equals=equals)
    return GroupComposition(f"{letters[kind]}{size}", equals=equals)
