"""Are a run's bits its own? Alone, in company, on other devices, in other processes, twice, resumed."""

import pathlib
import socket
from typing import Any

import jax
import numpy as np

import grokjax as gj
from experiments.reliability import commands, outcomes

STEPS, EPOCH_STEPS = 6, 3
COMPANY = (8, 128)
FLAGS = ["--task=modular", "--modulus=7", "--d_model=8", "--heads=2", "--epoch_steps=4", "--save=all"]


def run(folder: pathlib.Path, configs: int, company: int, processes: bool, seed: int = 0) -> dict[str, Any]:
    """Returns how many drawn configurations were compared, and where bits differ.

    company: how many of COMPANY are tried
    processes: also in processes with other numbers of devices, and in two processes at once
    """
    rng, failures, compared = np.random.default_rng(seed), list[str](), 0
    for _ in range(configs):
        options = drawn(rng)
        number, wrong = compare(options, COMPANY[:company])
        compared, failures = compared + number, failures + [f"{options}: {each}" for each in wrong]
    others = other_machines(folder) if processes else dict(machines=[], failures=[])
    return dict(
        configs=configs,
        compared=compared,
        company=list(COMPANY[:company]),
        machines=others["machines"],
        not_tried=["another kind of device: a CPU after a GPU"],
        failures=failures + others["failures"],
    )


def drawn(rng: np.random.Generator) -> dict[str, Any]:
    """Returns the options of a random model."""
    pick = lambda *values: values[rng.integers(len(values))]
    return dict(
        num_layers=pick(1, 2),
        layer_norm=pick(True, False),
        mlp=pick(True, True, False),
        positions=pick("learned", "sinusoidal", "none", "rope", "fire"),
        activation=pick("relu", "gelu"),
        attention=pick("live", "uniform", "positional"),
        mask=pick("causal", "full"),
        unembed_bias=pick(True, False),
        d_mlp=pick(8, 20, None),
        batch_size=pick(None, 5, 16),
        optimizer=pick("adamw", "adam", "sgd"),
        block=pick(1, 2, 3),
    )


def compare(options: dict[str, Any], company: tuple[int, ...]) -> tuple[int, list[str]]:
    """Returns how many runs were compared with themselves alone, and where they have other bits."""
    own = dict(options)
    block, optimizer = own.pop("block"), own.pop("optimizer")
    task = gj.ModularArithmetic(modulus=7, batch_size=own.pop("batch_size"))
    config, _, hyper = gj.presets.nanda(task, d_model=8, num_heads=2, **own)
    recipe = gj.Recipe(optimizer=optimizer, evaluate_every=3)

    def train(seeds: list[int], devices: list[Any] | None = None, resume_from: Any = None) -> list[Any]:
        hypers = gj.grid(hyper.replace(train_fraction=0.5), seed=seeds)
        epochs = gj.train(
            task,
            config,
            recipe,
            hypers,
            steps=STEPS,
            epoch_steps=EPOCH_STEPS,
            block=block,
            devices=devices,
            resume_from=resume_from,
        )
        return [(epoch, bits(epoch)) for epoch in epochs]

    alone = train([3])
    ways: dict[str, Any] = {"twice": train([3])[-1][1], "resumed": train([3], resume_from=alone[1][0])[-1][1]}
    for size in company:
        seeds = list(range(size))
        ways[f"among {size}"] = row(train(seeds)[-1][1], 3)
        ways[f"among {size} on one device"] = row(train(seeds, jax.devices()[:1])[-1][1], 3)
    wrong = [
        f"{name}: other bits than alone"
        for name, found in ways.items()
        if not outcomes.same(found, alone[-1][1])
    ]
    return len(ways), wrong


def bits(epoch: gj.Epoch) -> Any:
    """Returns parameters, moments and the metrics of an epoch, leaves [S, ...]."""
    state = epoch.on_host()
    measured = {name: array for name, array in epoch.metrics.items() if name != "test_step"}
    return jax.tree.map(np.asarray, (state.params, state.opt_state, measured))


def row(tree: Any, run: int) -> Any:
    """Returns one run of a tree, still stacked."""
    return jax.tree.map(lambda leaf: leaf[run : run + 1], tree)


def other_machines(folder: pathlib.Path) -> dict[str, Any]:
    """Compares a sweep of one command with those of other numbers of devices, changed on the way too."""
    failures, read = list[str](), lambda name: outcomes.read(folder / name, list(range(5)))
    whole, half = ["--seeds=4", "--steps=16"], ["--seeds=4", "--steps=8"]
    ways = {
        "one device": [(whole, 1)],
        "three devices": [(whole, 3)],
        "one device, then three": [(half, 1), (whole, 3)],
        "three devices, then one": [(half, 3), (whole, 1)],
    }
    done(folder, "usual", whole, 2, failures)
    for name, stages in ways.items():
        for flags, devices in stages:
            words = done(folder, name.replace(" ", "-"), flags, devices, failures)
        if len(stages) > 1 and "the number of devices was" not in words:
            failures.append(f"{name}: the change was not said")
    two_processes(folder, whole, failures)
    for name in [*ways, "two processes"]:
        found = outcomes.verdicts(read(name.replace(" ", "-")), read("usual"))
        failures += [
            f"{name}: {thing} is {verdict}" for thing, verdict in found.items() if verdict != outcomes.FINE
        ]
    return dict(machines=[*ways, "two processes"], failures=failures)


def done(folder: pathlib.Path, name: str, flags: list[str], devices: int, failures: list[str]) -> str:
    """Runs the command; returns its words."""
    ended = commands.run([*FLAGS, *flags, "--resume", f"--output={folder / name}"], devices)
    if ended.status:
        failures.append(f"{name}: status {ended.status}, {ended.words[-300:]}")
    return ended.words


def two_processes(folder: pathlib.Path, flags: list[str], failures: list[str]) -> None:
    """Runs the command as two processes of one sweep."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = [*FLAGS, *flags, f"--output={folder / 'two-processes'}", f"--coordinator=127.0.0.1:{port}"]
    started = [commands.start([*own, "--num_processes=2", f"--process_id={i}"], 1) for i in range(2)]
    for process in started:
        ended = commands.finish(process)
        if ended.status:
            failures.append(f"two processes: status {ended.status}, {ended.words[-300:]}")
