import dataclasses
import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import planted_sweep
import pytest

import grokjax
from grokjax import checkpoints
from grokjax.checkpoints import description, snapshots
from grokjax.checkpoints import part as parts
from grokjax.checkpoints import spec as specs

MODULAR = grokjax.ModularArithmetic(modulus=5)
NAN_RATE = dataclasses.asdict(jax.tree.map(np.asarray, grokjax.grid(grokjax.Hyper(), seed=range(2)))) | dict(
    learning_rate=np.array([np.nan, 1e-3])
)


def test_stopped_and_gone_on_with_is_the_uninterrupted_sweep(tmp_path):
    spec = planted_sweep.spec(steps=45)
    assert planted_sweep.write(tmp_path / "sweep", spec, stop=3) == [None]
    assert planted_sweep.write(tmp_path / "sweep", spec) == [3]
    assert planted_sweep.check(tmp_path / "sweep", spec).epochs == [0, 1, 2, 3, 4, 5]
    assert planted_sweep.write(tmp_path / "sweep", spec) == [5], "a finished sweep is finished"
    planted_sweep.check(tmp_path / "sweep", spec)


def test_more_steps_replace_the_shorter_last_epoch(tmp_path):
    planted_sweep.write(tmp_path / "sweep", planted_sweep.spec(steps=25, save="0,7"))
    assert checkpoints.open_sweep(tmp_path / "sweep").steps(3) == 25
    longer = planted_sweep.spec(steps=70, save="0,7")
    assert planted_sweep.write(tmp_path / "sweep", longer) == [2]
    assert planted_sweep.check(tmp_path / "sweep", longer).epochs == [0, 7]


def test_more_steps_go_on_from_the_newest_whole_epoch(tmp_path):
    planted_sweep.write(tmp_path / "sweep", planted_sweep.spec(steps=25))
    longer = planted_sweep.spec(steps=40)
    assert planted_sweep.write(tmp_path / "sweep", longer) == [2]
    sweep = planted_sweep.check(tmp_path / "sweep", longer)
    assert [sweep.steps(epoch) for epoch in sweep.epochs] == [0, 10, 20, 30, 40]


def test_the_whole_last_epoch_of_a_shorter_sweep_stays(tmp_path):
    planted_sweep.write(tmp_path / "sweep", planted_sweep.spec(steps=30, save="0"))
    longer = planted_sweep.spec(steps=60, save="0")
    assert planted_sweep.write(tmp_path / "sweep", longer) == [3]
    assert planted_sweep.check(tmp_path / "sweep", longer).epochs == [0, 3, 6]


def test_more_runs_are_a_part_of_their_own(tmp_path):
    planted_sweep.write(tmp_path / "sweep", planted_sweep.spec(num_runs=3, part_runs=2, save="every:4"))
    more = planted_sweep.spec(num_runs=6, steps=80, part_runs=2, save="every:4")
    assert planted_sweep.write(tmp_path / "sweep", more) == [6, 6, None, None]
    sweep = planted_sweep.check(tmp_path / "sweep", more)
    assert [part["runs"] for part in sweep.record["parts"]] == [2, 1, 2, 1]
    for run in range(6):
        jax.tree.map(
            np.testing.assert_array_equal, sweep.params(8, run=run), planted_sweep.one_run(run, 80).params
        )


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (dict(recipe=grokjax.Recipe(stop_below=0.5)), r"recipe.stop_below: recorded 0.0, asked for 0.5"),
        (
            dict(config=grokjax.ModelConfig.of(MODULAR, d_model=16)),
            r"config.d_model: recorded 8, asked for 16",
        ),
        (
            dict(task=grokjax.ModularArithmetic(modulus=7)),
            r"task.modulus: recorded 5, asked for 7; config.vocabulary: .* 6, asked for 8; config.num_out.*",
        ),
        (
            dict(task=grokjax.Addition()),
            r"task: recorded Modular.*, asked for Addition\(.*\); config.vocabulary: .*",
        ),
        (dict(block=2), r"block: recorded None, asked for 2"),
        (dict(epoch_steps=5), r"epoch_steps: recorded 10, asked for 5"),
        (dict(save="all"), r"save: recorded 'log', asked for 'all'"),
        (dict(steps=59), r"steps: recorded 60, asked for 59 \(more are allowed, fewer are not\)"),
        (dict(num_runs=3), r"runs: recorded 4, asked for 3 \(more are allowed, fewer are not\)"),
        (
            dict(hypers=grokjax.grid(grokjax.Hyper(), seed=[0, 1, 5, 3, 4])),
            r"seed of run 2: recorded 2, asked for 5",
        ),
        (
            dict(hypers=grokjax.grid(grokjax.Hyper(weight_decay=0.5), seed=range(4))),
            r"weight_decay of run 0: recorded 1.0, asked for 0.5",
        ),
    ],
)
def test_any_other_difference_is_refused_by_name_and_changes_nothing(tmp_path, changes, sentence):
    with checkpoints.create(tmp_path / "sweep", planted_sweep.spec()):
        pass
    before = (tmp_path / "sweep" / "config.json").read_bytes()
    with pytest.raises(ValueError, match=f"holds another sweep; {sentence}$"):
        checkpoints.resume(tmp_path / "sweep", planted_sweep.spec(**changes))
    assert (tmp_path / "sweep" / "config.json").read_bytes() == before
    with checkpoints.resume(tmp_path / "sweep", planted_sweep.spec(num_devices=2, command="other")):
        pass


@pytest.mark.parametrize(
    "changes",
    [
        dict(steps=0),
        dict(steps=1.5),
        dict(epoch_steps=0),
        dict(save="often"),
        dict(part_runs=0),
        dict(hypers=grokjax.Hyper()),
        dict(steps=2**31),
        dict(steps=2 * 10**7, epoch_steps=1),
        dict(hypers=grokjax.Hyper(seed=np.arange(2)).replace(**NAN_RATE)),
        dict(config=grokjax.ModelConfig(d_model=8)),
    ],
)
def test_a_malformed_spec_is_refused_before_anything_is_written(changes):
    with pytest.raises(ValueError, match=r"must be|must have|make the config with"):
        planted_sweep.spec(**changes)


def test_directories_that_are_not_for_a_new_sweep(tmp_path):
    with checkpoints.create(tmp_path / "sweep", planted_sweep.spec()):
        pass
    with pytest.raises(ValueError, match="already holds a sweep: go on with --resume"):
        checkpoints.create(tmp_path / "sweep", planted_sweep.spec())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    for action in (checkpoints.create, checkpoints.resume):
        with pytest.raises(ValueError, match=r"mine holds other files \(thesis.tex\) and no sweep"):
            action(tmp_path / "mine", planted_sweep.spec())
    with pytest.raises(ValueError, match="is a file"):
        checkpoints.create(tmp_path / "mine" / "thesis.tex", planted_sweep.spec())
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_a_path_is_one_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with checkpoints.create("~/sweep", planted_sweep.spec()) as writer:
        assert writer.directory == tmp_path / "sweep"
    assert checkpoints.open_sweep("~/sweep").directory == tmp_path / "sweep"
    monkeypatch.chdir(tmp_path)
    for address in ("gs://bucket/sweep", "s3://bucket/sweep", pathlib.Path("gs://bucket/sweep")):
        for action in (
            checkpoints.open_sweep,
            lambda directory: checkpoints.create(directory, planted_sweep.spec()),
        ):
            with pytest.raises(ValueError, match="is no directory of this machine"):
                action(address)
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]


@pytest.mark.parametrize(
    "left", [(), (".lock",), (".lock", ".tmp-hypers.npz"), (".lock", "hypers.npz", ".tmp-config.json")]
)
def test_what_a_kill_left_at_the_very_start_is_begun_anew(tmp_path, left):
    (tmp_path / "sweep").mkdir()
    for name in left:
        (tmp_path / "sweep" / name).write_bytes(b"half")
    with pytest.raises(FileNotFoundError, match=r"holds no sweep: it has no config.json"):
        checkpoints.open_sweep(tmp_path / "sweep")
    assert planted_sweep.write(tmp_path / "sweep", planted_sweep.spec(steps=20)) == [None]
    planted_sweep.check(tmp_path / "sweep", planted_sweep.spec(steps=20))


def test_a_kill_between_longer_hypers_and_config_is_no_damage(tmp_path):
    planted_sweep.write(tmp_path / "sweep", planted_sweep.spec(steps=20))
    longer = planted_sweep.spec(num_runs=6, steps=20)
    with open(tmp_path / "sweep" / "hypers.npz", "wb") as file:
        np.savez(file, **specs.columns(longer.hypers))
    planted_sweep.check(tmp_path / "sweep", planted_sweep.spec(steps=20))
    assert planted_sweep.write(tmp_path / "sweep", longer) == [2, None]
    planted_sweep.check(tmp_path / "sweep", longer)


def damage(folder, epoch, item="rest"):
    for path in (folder / str(epoch) / item / "d").iterdir():
        path.write_bytes(path.read_bytes()[:-3] + b"\0\0\0")


def test_the_newest_intact_state_is_taken_and_the_damaged_one_replaced(tmp_path):
    spec = planted_sweep.spec()
    planted_sweep.write(tmp_path / "sweep", spec, stop=4)
    folder = tmp_path / "sweep" / "checkpoints" / "part-0"
    damage(folder, 4)
    with checkpoints.resume(tmp_path / "sweep", spec) as writer:
        assert planted_sweep.run(writer) == [3]
        assert [line.split(" is damaged")[0] for line in writer.parts[0].damage] == [f"epoch 4 in {folder}"]
    assert planted_sweep.check(tmp_path / "sweep", spec).full_epochs() == [5, 6]


def test_with_no_intact_state_it_begins_again_and_loses_no_parameters(tmp_path):
    spec = planted_sweep.spec()
    planted_sweep.write(tmp_path / "sweep", spec, stop=4)
    folder = tmp_path / "sweep" / "checkpoints" / "part-0"
    damage(folder, 4)
    damage(folder, 3, "params")
    with checkpoints.resume(tmp_path / "sweep", spec) as writer:
        assert writer.parts[0].restore(planted_sweep.target()) is None and len(writer.parts[0].damage) == 3
        assert snapshots.epochs(folder) == [0, 1, 2, 3, 4]
        for epoch in planted_sweep.epochs(writer.parts[0], None):
            writer.parts[0].record(epoch)
            if epoch.number == 1:
                break
        writer.parts[0].finish()
    assert planted_sweep.write(tmp_path / "sweep", spec) == [1], (
        "older epochs that were saved again are resumed from"
    )
    assert planted_sweep.check(tmp_path / "sweep", spec).full_epochs() == [5, 6]


def test_a_state_whose_metrics_are_missing_is_not_gone_on_from(tmp_path):
    spec = planted_sweep.spec()
    planted_sweep.write(tmp_path / "sweep", spec, stop=4)
    (tmp_path / "sweep" / "metrics" / "part-0" / "steps-00000030-00000040.npz").unlink()
    assert planted_sweep.write(tmp_path / "sweep", spec) == [3]
    planted_sweep.check(tmp_path / "sweep", spec)


def test_all_keeps_every_full_state(tmp_path):
    planted_sweep.write(tmp_path / "sweep", planted_sweep.spec(save="all"))
    assert checkpoints.open_sweep(tmp_path / "sweep").full_epochs() == [0, 1, 2, 3, 4, 5, 6]


def test_states_between_scheduled_epochs_are_only_for_going_on(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "SAVE_SECONDS", -1.0)
    spec = planted_sweep.spec(save="0")
    folder = tmp_path / "sweep" / "checkpoints" / "part-0"
    with checkpoints.create(tmp_path / "sweep", spec) as writer:
        part = writer.parts[0]
        for epoch in planted_sweep.epochs(part, part.restore(planted_sweep.target())):
            part.record(epoch)
            if epoch.number == 4:
                break
        assert part.wait() == 4
        assert snapshots.epochs(folder) == [0, 3, 4] and checkpoints.open_sweep(
            tmp_path / "sweep"
        ).epochs == [0, 4]
    assert planted_sweep.write(tmp_path / "sweep", spec) == [4]
    assert planted_sweep.check(tmp_path / "sweep", spec).epochs == [0, 6]


def test_the_last_epoch_of_a_sweep_that_ends_early_is_kept_and_of_one_interrupted_is_not(tmp_path):
    for name, stopped_at, kept in (("early", 35, [0, 4, 6]), ("interrupted", 10**9, [0, 6])):
        with checkpoints.create(tmp_path / name, planted_sweep.spec(save="0")) as writer:
            part = writer.parts[0]
            for epoch in planted_sweep.epochs(
                part, part.restore(planted_sweep.target()), stopped_at=stopped_at
            ):
                part.record(epoch)
                if epoch.number == 4:
                    break
            assert part.finish() == 4
        assert checkpoints.open_sweep(tmp_path / name).epochs == [0, 4]
        planted_sweep.write(tmp_path / name, planted_sweep.spec(save="0"))
        assert checkpoints.open_sweep(tmp_path / name).epochs == kept


def test_the_record_says_what_is_needed_to_run_it_again(tmp_path):
    with checkpoints.create(
        tmp_path / "sweep",
        planted_sweep.spec(block=1, num_devices=2, command="python -m experiments.seed_sweep"),
    ):
        pass
    found = json.loads((tmp_path / "sweep" / "config.json").read_text())
    assert (
        found["format"] == 2
        and found["steps"] == 60
        and found["epoch_steps"] == 10
        and found["save"] == "log"
        and found["block"] == 1
    )
    assert (
        found["parts"] == [{"first": 0, "runs": 4}]
        and found["num_devices"] == 2
        and found["machine"]["platform"] == "cpu"
    )
    assert {"python", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "grokjax"} == set(
        found["versions"]
    )
    sweep = checkpoints.open_sweep(tmp_path / "sweep")
    spec = planted_sweep.spec()
    assert (sweep.task, sweep.config, sweep.recipe) == (spec.task, spec.config, spec.recipe)
    for field in dataclasses.fields(spec.hypers):
        np.testing.assert_array_equal(getattr(sweep.hypers, field.name), getattr(spec.hypers, field.name))
    assert sweep.hypers.seed.dtype == np.int32 and sweep.hypers.learning_rate.dtype == np.float32


def test_a_change_of_version_is_said_and_not_refused(tmp_path):
    with checkpoints.create(tmp_path / "sweep", planted_sweep.spec()):
        pass
    path = tmp_path / "sweep" / "config.json"
    found = json.loads(path.read_text())
    now, found["versions"]["jax"] = found["versions"]["jax"], "0.1.2"
    path.write_text(json.dumps(description.sealed(found)))
    with checkpoints.resume(tmp_path / "sweep", planted_sweep.spec(num_devices=2)) as writer:
        assert writer.notes == [
            f"jax was 0.1.2 and is {now}: further steps may have other bits",
            "the number of devices was 1 and is 2: further steps may have other bits",
        ]


def test_two_processes_do_not_write_one_sweep(tmp_path):
    """And the lock is free as soon as its holder is killed."""
    command = [sys.executable, planted_sweep.__file__, str(tmp_path / "sweep"), "60", "hold"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert [holder.stdout.readline().strip() for _ in range(2)] == ["begun", "held"]
            with pytest.raises(ValueError, match="is being written by another process"):
                checkpoints.resume(tmp_path / "sweep", planted_sweep.spec())
            checkpoints.open_sweep(tmp_path / "sweep")
        finally:
            holder.kill()
    with checkpoints.resume(tmp_path / "sweep", planted_sweep.spec()):
        pass
