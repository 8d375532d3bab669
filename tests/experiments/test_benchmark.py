"""The benchmark at a size that measures nothing, and the rivals, which train the same task and model."""

import contextlib
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import benchmark
from experiments.benchmarks import (
    accelerator,
    forms,
    matmul,
    measuring,
    ours,
    overheads,
    plain,
    rightness,
    rows,
    table,
    torch_loop,
    workloads,
)
from grokjax import tasks
from grokjax.model import fast
from grokjax.model.fast import stream
from grokjax.training import devices

FIELDS = {
    "task",
    "layers",
    "runs",
    "flops_per_run_step",
    "run_steps_per_second",
    "gemm_gflops",
    "gemm_ratio",
    "speedup_over_plain_vmap",
    "speedup_over_pytorch_loop",
    "compile_seconds",
    "first_step_seconds",
    "peak_bytes",
    "bytes_per_run",
}
SMALL = workloads.modular(5, 0.6, 16, 0.1)
TINY = workloads.single_digit(16, 0.0086)
BRIEF = workloads.Effort(
    rounds={2: 2},
    steps={2: 2},
    rival_steps={2: 1},
    tiny_runs=2,
    tiny_rounds=2,
    tiny_epochs=1,
    tiny_rival_steps=2,
    sections=False,
    large=(0,),
    tiny=(0,),
)


def test_it_prints_and_writes_every_field(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(workloads, "SIZES", dict(small=BRIEF))
    for name in ("large", "tiny"):
        monkeypatch.setattr(workloads, name, lambda: [SMALL])
    monkeypatch.setattr(matmul, "SIZE", 64)
    monkeypatch.setattr(torch_loop.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(rows, "nothing_compiled", contextlib.nullcontext)
    assert benchmark.main(["--size=small", f"--json={tmp_path / 'found.json'}", "--block=2"]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert [(row["task"], row["runs"], row["block"]) for row in found["rows"] + found["tiny"]] == [
        ("modular", 2, 2)
    ] * 2
    for row in found["rows"] + found["tiny"]:
        assert row.keys() >= FIELDS
        assert row["speedup_over_pytorch_loop"] is None
        rate = row["run_steps_per_second_range"][0] * row["yardstick_gflop"] / row["gemm_gflops_range"][1]
        assert rate <= row["gemm_ratio_range"][0] <= row["gemm_ratio"] <= row["gemm_ratio_range"][1]
        assert all(row[name] >= 0 for name in FIELDS - {"task", "speedup_over_pytorch_loop"})
    assert found["machine"]["cores"] >= 1
    assert "modulus 5" in capsys.readouterr().out


def test_compiling_is_timed_with_an_empty_cache_that_is_gone_afterwards():
    kept = jax.config.jax_compilation_cache_dir
    with measuring.nothing_compiled():
        folder = pathlib.Path(jax.config.jax_compilation_cache_dir)
        assert list(folder.iterdir()) == []
    assert jax.config.jax_compilation_cache_dir == kept and not folder.exists()


@pytest.mark.parametrize(
    "argv, words",
    [
        (["--size=huge"], ["--size='huge'", "small"]),
        (["--block=0"], ["--block=0"]),
        (["--block=many"], ["--block='many'"]),
        (["--josn=x"], ["josn"]),
        (["file.json"], ["file.json"]),
        (["--json=/no/such/folder/x.json"], ["--json="]),
    ],
)
def test_a_mistake_is_one_sentence(argv, words, capsys):
    assert benchmark.main(argv) == 2
    said = capsys.readouterr().err
    assert said.startswith("benchmark: ") and said.count("\n") == 1 and all(word in said for word in words), (
        said
    )


def test_overheads_are_shares_of_one_whole():
    (found,) = overheads.shares(SMALL, BRIEF._replace(overhead_rounds=5, overhead_runs=(2,)), block=1)
    assert (found["runs"], found["rounds"]) == (2, 5)
    assert 0 < found["saving"] < 1 and found["save_seconds"] > 0
    for name in table.OVERHEADS:
        least, most = found[f"{name}_interval"]
        assert least <= found[name] <= most < 1
    assert "together" in table.sentences(dict(overheads=[found], more_runs=[], start=None))[0]


def test_the_interval_holds_the_true_median_19_times_in_20():
    samples = np.random.default_rng(0).exponential(size=(2000, 60))
    found = [measuring.with_interval("x", each)["x_interval"] for each in samples]
    assert np.mean([least <= np.log(2) <= most for least, most in found]) == pytest.approx(0.95, abs=0.02)


def test_contestants_take_turns():
    order = []
    contestant = lambda name, rate: lambda: order.append(name) or rate
    samples = measuring.in_turns(dict(a=contestant("a", 3.0), b=contestant("b", 2.0)), 2)
    assert order == ["a", "b", "a", "b"]
    assert measuring.summary("x", measuring.ratios(samples["a"], samples["b"], 2.0)) == dict(
        x=3.0, x_range=[3.0, 3.0]
    )
    assert measuring.summary("x", None) == dict(x=None, x_range=None)


def test_a_slow_machine_makes_three_rounds():
    assert measuring.in_turns(dict(a=lambda: 2.0), 9, long_enough=-1.0) == dict(a=[2.0] * 3)


def test_yardsticks_and_limits_of_the_issue():
    assert [workload.yardstick for workload in workloads.large() + workloads.tiny()] == [
        1.52,
        1.52,
        3.84,
        0.0776,
        0.0086,
        0.1116,
    ]
    assert [(workload.name, workload.layers) for workload in workloads.large()] == [
        ("addition", 1),
        ("addition", 2),
        ("modular", 1),
    ]
    assert (
        set(workloads.FULL.steps)
        == set(workloads.FULL.rival_steps)
        == set(workloads.FULL.rounds)
        == {8, 32, 128}
    )


@pytest.mark.parametrize(
    "workload, most", [(workloads.addition(1), 0.8e9), (workloads.modular(113, 0.3, 128, 3.84), 3.5e9)]
)
def test_the_arithmetic_of_a_step_is_small(workload, most):
    """And it is counted whole: the logits' products alone are more than a third of it."""
    flops = ours.flops_per_run_step(ours.Setting(workload, 1, 50, None))
    assert most / 3 < flops <= most


@pytest.mark.parametrize("effort", workloads.SIZES.values())
def test_samples_fit_between_evaluations(effort):
    """Else the epochs that are timed are shorter than they are counted."""
    assert all(workloads.addition(1).recipe.evaluate_every % steps == 0 for steps in effort.steps.values())


def test_a_sampler_refuses_epochs_that_do_not_fit_between_evaluations():
    with pytest.raises(ValueError, match="epochs of 8 steps do not fit evaluations every 50"):
        ours.sampler(ours.Setting(TINY, 2, 8, 1))


def test_memory_is_twice_the_state_and_one_block():
    places = len(jax.devices()) * devices.MOST_BLOCKS  # of one turn, all taken
    few, many = (ours.memory(ours.Setting(TINY, runs, 5, 1)) for runs in (places, 2 * places))
    assert few["bytes_per_run"] > 3 * 4 * 16 * 12
    assert few["block_bytes"] == many["block_bytes"] > 0
    least = 4 * places * many["bytes_per_run"] + many["block_bytes"]
    assert least <= many["peak_bytes"] <= least + 2 * places * 5 * 400
    # A small sweep leaves places of its turn unused, within TURN bytes of each device before an epoch and
    # after.
    two = ours.memory(ours.Setting(TINY, 2, 5, 1))
    used = min(2, len(jax.devices()))
    assert (
        two["peak_bytes"]
        <= 2 * used * devices.TURN + two["block_bytes"] + used * devices.MOST_BLOCKS * 5 * 400
    )


def test_a_rival_that_does_not_fit_is_halved():
    *_, fitted = plain.fitting(TINY, 4, 1, limit=0)
    assert fitted == 1
    *_, (hypers, params, _), fitted = plain.fitting(TINY, 4, 1, limit=1e12)
    assert fitted == 4 and params["W_E"].shape[0] == 4 and hypers.seed.shape == (4,)


def test_the_plain_rival_learns():
    hypers, _, train = plain.arguments(SMALL, 2)
    _, losses = jax.vmap(lambda *run: plain.epoch(SMALL, 60, *run))(
        hypers, plain.initial(SMALL, hypers), train
    )
    assert (losses[:, -1] < 0.8 * losses[:, 0]).all()


def test_the_torch_rival_sees_the_same_task():
    torch = pytest.importorskip("torch")
    for task in (workloads.addition(1).task, TINY.task):
        tokens, labels = torch_loop.additions(task)
        n = task.num_digits
        number = lambda digits: (digits * 10 ** torch.arange(digits.shape[1] - 1, -1, -1)).sum(1)
        total = number(tokens[:, :n]) + number(tokens[:, n + 1 : 2 * n + 1])
        assert tokens.shape == (task.batch_size, task.num_positions)
        assert tokens[0, n] == 10 and tokens[0, 2 * n + 1] == 11
        assert (
            (number(labels) == total).all()
            if task.mode == "sequence"
            else (labels[:, 0] == total // 10 % 10).all()
        )
        if task.mode == "sequence":
            assert (tokens[:, 2 * n + 2 :] == labels[:, :-1]).all()
    torch.manual_seed(0)
    step = torch_loop.training_step(SMALL)
    losses = [step() for _ in range(200)]
    assert losses[-1] < 0.8 * losses[0]


def test_lines_of_an_accelerator_are_kept_and_what_fails_is_one_of_them(tmp_path, monkeypatch, capsys):
    case = (tasks.ModularArithmetic(modulus=5), dict(d_model=8, num_heads=2))
    monkeypatch.setattr(rightness, "CASES", {"tiny": case, "impossible": (None, {})})
    assert accelerator.main([str(tmp_path / "out"), "--parts=right"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "out" / "lines.jsonl").read_text().splitlines()]
    found = [line for line in lines if line["part"] == "right"]
    measured = [line for line in found if line["case"] == "tiny"]
    assert {(line["form"], line["precision"]) for line in measured} == {
        (form, precision) for form in forms.FORMS for precision in ("float32", "tensorfloat32")
    }
    assert max(max(line["loss"], line["gradient"]) for line in measured) < 1e-6
    assert next(line["failed"] for line in found if line["case"] == "impossible").startswith("AttributeError")
    assert str(lines[-1]["of"]) == "right" and len(capsys.readouterr().out.splitlines()) == len(lines)


def test_forms_differ_in_their_programs_and_are_undone(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    chunks = lambda: len(stream.cutting(3000, 700)[0](jnp.ones((3000, 2))))
    assert chunks() == 1
    with forms.form_is("chunks"):
        assert chunks() >= 3000 * 700 / stream.CHUNK
    assert chunks() == 1
    accepts = fast.accepts
    with forms.form_is("plain"):
        assert not fast.accepts(None, None)
    assert fast.accepts is accepts
