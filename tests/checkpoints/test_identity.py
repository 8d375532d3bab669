"""A file must prove that it belongs to this sweep, this part and these steps, not only that it is whole."""

import json
import pathlib
import shutil

import jax
import numpy as np
import planted_sweep
import pytest

import grokjax
from grokjax import checkpoints
from grokjax.checkpoints import checksums, chunks

SPEC = planted_sweep.spec(num_runs=3, part_runs=2, save="all")
OTHER = planted_sweep.spec(
    part_runs=2, save="all", hypers=grokjax.grid(grokjax.Hyper(learning_rate=0.01), seed=[50, 51, 52])
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two sweeps that only their ids tell apart, and one of other seeds, all finished."""
    folder = tmp_path_factory.mktemp("written")
    for name, spec in (("sweep", SPEC), ("twin", SPEC), ("other", OTHER)):
        planted_sweep.write(folder / name, spec)
    return folder


@pytest.fixture
def own(written, tmp_path):
    """A copy that may be damaged."""
    return pathlib.Path(shutil.copytree(written / "sweep", tmp_path / "sweep"))


def content(directory):
    return {
        path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.name != ".lock"
    }


@pytest.mark.parametrize("action", [checkpoints.create, checkpoints.resume])
@pytest.mark.parametrize("left", [("metrics", "checkpoints"), ("metrics",), ("checkpoints",)])
def test_results_without_a_description_are_not_taken_over(own, action, left):
    """`config.json` is lost, and another sweep is asked for, or the same."""
    (own / "config.json").unlink()
    for name in {"metrics", "checkpoints"} - set(left):
        shutil.rmtree(own / name)
    before = content(own)
    for spec in (OTHER, SPEC):
        with pytest.raises(
            ValueError, match=r"no config.json that says of which: put its config.json back, or"
        ):
            action(own, spec)
    assert content(own) == before


@pytest.mark.parametrize("name", ["lr[1e-3]", "a*b", "what?", "[", "lr[1e-3] [x]/y"])
def test_a_path_with_special_characters_keeps_every_snapshot(tmp_path, name):
    directory = tmp_path / name / "sweep"
    directory.parent.mkdir(parents=True)
    spec = planted_sweep.spec()
    assert planted_sweep.write(directory, spec, stop=3) == [None]
    assert planted_sweep.write(directory, spec) == [3]
    assert planted_sweep.check(directory, spec).epochs == [0, 1, 2, 3, 4, 5, 6]


def swapped(folder, names):
    """Exchange two entries of a folder."""
    a, b = (folder / name for name in names)
    a.rename(folder / "moved")
    b.rename(a)
    (folder / "moved").rename(b)


def replaced(target, source):
    """Put a copy of another file or folder in its place."""
    if target.is_dir():
        shutil.rmtree(target)
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


def epochs_swapped(own, written):
    swapped(own / "checkpoints" / "part-0", ("0", "1"))


def newest_epochs_swapped(own, written):
    swapped(own / "checkpoints" / "part-0", ("5", "6"))


def epoch_renamed(own, written):
    shutil.rmtree(own / "checkpoints" / "part-0" / "6")
    (own / "checkpoints" / "part-0" / "5").rename(own / "checkpoints" / "part-0" / "6")


def epoch_of_a_twin(own, written):
    replaced(own / "checkpoints" / "part-1" / "6", written / "twin" / "checkpoints" / "part-1" / "6")


def epoch_of_another_sweep(own, written):
    replaced(own / "checkpoints" / "part-0" / "6", written / "other" / "checkpoints" / "part-0" / "6")


def all_checkpoints_of_another_sweep(own, written):
    replaced(own / "checkpoints", written / "other" / "checkpoints")


def parts_swapped(own, written):
    swapped(own / "checkpoints", ("part-0", "part-1"))


EPOCHS = (
    epochs_swapped,
    newest_epochs_swapped,
    epoch_renamed,
    epoch_of_a_twin,
    epoch_of_another_sweep,
    all_checkpoints_of_another_sweep,
    parts_swapped,
)


@pytest.mark.parametrize("damage", EPOCHS)
def test_a_snapshot_that_is_not_its_own_is_refused_and_never_deleted(own, written, damage):
    damage(own, written)
    sweep = checkpoints.open_sweep(own)
    refused, expected = 0, {epoch: planted_sweep.runs(range(3), 10 * epoch).params for epoch in range(7)}
    for epoch in sweep.epochs:
        try:
            jax.tree.map(np.testing.assert_array_equal, sweep.params(epoch), expected[epoch])
        except ValueError as error:
            assert "does not belong here" in str(error) or "does not belong there" in str(error)
            assert "\n" not in str(error)
            refused += 1
    assert refused or sweep.missing
    longer = planted_sweep.spec(num_runs=3, part_runs=2, save="all", steps=80)
    with checkpoints.resume(own, longer) as writer:
        planted_sweep.run(writer)
        said = [line for part in writer.parts for line in part.damage]
    assert any("does not belong" in line or "is missing" in line for line in said)
    found = checkpoints.open_sweep(own)
    for name, metric in planted_sweep.metrics(range(3), 0, 80).items():
        np.testing.assert_array_equal(found.metrics[name], metric)
    jax.tree.map(np.testing.assert_array_equal, found.params(-1), planted_sweep.runs(range(3), 80).params)
    if damage in (epoch_of_another_sweep, all_checkpoints_of_another_sweep):
        moved = list((own / "set-aside").iterdir())
        assert moved and any("set-aside" in line for line in said)


def chunk(own, number, part=0):
    return chunks.chunks(own / "metrics" / f"part-{part}")[number].path


def chunks_swapped(own, written):
    swapped(own / "metrics" / "part-0", (chunk(own, 1).name, chunk(own, 2).name))


def chunk_copied(own, written):
    shutil.copy(chunk(own, 1), chunk(own, 3))


def chunk_of_a_twin(own, written):
    shutil.copy(chunk(written / "twin", 2), chunk(own, 2))


def chunk_of_another_part(own, written):
    shutil.copy(chunk(own, 0, part=1), chunk(own, 0))


def first_chunk_lost(own, written):
    chunk(own, 0).unlink()


def last_chunk_lost(own, written):
    chunk(own, -1).unlink()


def all_chunks_lost(own, written):
    shutil.rmtree(own / "metrics")


def rewritten(path, change):
    """The arrays of a chunk changed by somebody who keeps its stamp."""
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)


def values_changed(own, written):
    rewritten(chunk(own, 2), lambda arrays: arrays["loss"].__setitem__((0, 0, 0), np.nan))


def sign_changed(own, written):
    rewritten(chunk(own, 2), lambda arrays: arrays.update(loss=-arrays["loss"]))


def length_changed(own, written):
    rewritten(chunk(own, 2), lambda arrays: arrays.update(loss=arrays["loss"][:, :-1]))


def type_changed(own, written):
    rewritten(chunk(own, 2), lambda arrays: arrays.update(loss=arrays["loss"].astype(np.float64)))


def scalar(own, written):
    rewritten(chunk(own, 2), lambda arrays: arrays.update(loss=np.float32(0)))


def stamp_lost(own, written):
    rewritten(chunk(own, 2), lambda arrays: arrays.pop("identity"))


LOST = (
    chunks_swapped,
    chunk_copied,
    chunk_of_a_twin,
    chunk_of_another_part,
    first_chunk_lost,
    last_chunk_lost,
    all_chunks_lost,
    stamp_lost,
)
CHANGED = (values_changed, sign_changed, length_changed, type_changed, scalar)


@pytest.mark.parametrize("damage", LOST + CHANGED)
def test_metrics_that_are_not_their_own_are_refused(own, written, damage):
    damage(own, written)
    with pytest.raises(ValueError, match=r"metrics/part-0[^\n]*$"):
        print(checkpoints.open_sweep(own).metrics["loss"])
    with checkpoints.resume(own, SPEC) as writer:
        begun = planted_sweep.run(writer)
        said = [line for part in writer.parts for line in part.damage]
    assert said and all("\n" not in line for line in said)
    if damage in CHANGED:  # nothing is trained on from metrics, so what is saved stays
        assert begun == [6, 6] and "remove that file to have its steps trained again" in said[0]
        chunk(own, 2).unlink()
        with checkpoints.resume(own, SPEC) as writer:
            planted_sweep.run(writer)
    planted_sweep.check(own, SPEC)
    foreign = (chunks_swapped, chunk_copied, chunk_of_a_twin, chunk_of_another_part, stamp_lost)
    assert bool(list(own.glob("set-aside/*"))) == (damage in foreign)


def test_a_description_of_another_sweep_is_noticed(own, written):
    """`config.json` of a twin: the same settings, another id."""
    shutil.copy(written / "twin" / "config.json", own)
    sweep = checkpoints.open_sweep(own)
    for read in (lambda: sweep.params(0), lambda: sweep.metrics["loss"], lambda: sweep.state(6)):
        with pytest.raises(ValueError, match="does not belong here: its id of the sweep is"):
            read()
    shutil.copy(written / "other" / "config.json", own)
    with pytest.raises(ValueError, match=r"hypers\.npz is damaged: seed, learning_rate is not what"):
        print(checkpoints.open_sweep(own).hypers)


def test_checksums_that_lack_an_item_or_a_field_are_one_sentence(own):
    path = own / "checkpoints" / "part-0" / "1" / "checksums" / "metadata"
    seal = json.loads(path.read_text())
    for change in (
        lambda body: body["items"].pop("params"),
        lambda body: body["items"]["params"].update(W_E={}),
        lambda body: body["items"]["params"]["W_E"].update(crc32=[]),
        lambda body: body["items"]["params"]["W_E"].update(shape="x"),
        lambda body: body.update(items=[]),
        lambda body: body.pop("step"),
        lambda body: body.update(keep=1, epoch="1"),
    ):
        body = json.loads(json.dumps(seal["manifest"]))
        change(body)
        path.write_text(json.dumps(checksums.sealed(body)))
        with pytest.raises(ValueError, match=r"^epoch 1 in .*part-0 is damaged: [^\n]*$"):
            checkpoints.open_sweep(own).params(1)


def test_an_epoch_that_is_just_missing_is_said(own):
    shutil.rmtree(own / "checkpoints" / "part-0" / "3")
    sweep = checkpoints.open_sweep(own)
    assert sweep.missing == [3] and "6 epochs saved (of which 3 should be there and are not)" in repr(sweep)
    with checkpoints.resume(own, SPEC) as writer:
        planted_sweep.run(writer)
        assert writer.parts[0].damage == [f"epoch 3 is missing in {own / 'checkpoints' / 'part-0'}"]


def test_a_sweep_without_any_state_says_that_it_begins_again(own):
    shutil.rmtree(own / "checkpoints")
    with checkpoints.resume(own, SPEC) as writer:
        assert planted_sweep.run(writer) == [None, None]
        said = [line for part in writer.parts for line in part.damage]
    assert [line.split(" is left")[0] for line in said] == ["no state to go on from"] * 2
    planted_sweep.check(own, SPEC)


def test_snapshots_that_vanish_while_it_trains_are_said(tmp_path):
    with checkpoints.create(tmp_path / "sweep", planted_sweep.spec()) as writer:
        part = writer.parts[0]
        with pytest.raises(OSError, match=r"what was saved of epoch 0, 1, 2 is no longer there"):
            for epoch in planted_sweep.epochs(part, part.restore(planted_sweep.target())):
                part.record(epoch)
                if epoch.number == 2:
                    part.wait()
                    (tmp_path / "sweep" / "checkpoints" / "part-0").rename(tmp_path / "moved")
                    (tmp_path / "sweep" / "checkpoints" / "part-0").mkdir()


@pytest.mark.parametrize(
    "name, value", [("jax_default_prng_impl", "rbg"), ("jax_threefry_partitionable", False)]
)
def test_other_random_numbers_are_another_sweep(own, name, value):
    before = getattr(jax.config, name)
    try:
        jax.config.update(name, value)
        with pytest.raises(
            ValueError, match=rf"{name}: recorded {before}, now {value}, which gives other random"
        ):
            checkpoints.resume(own, SPEC)
    finally:
        jax.config.update(name, before)


def test_a_precision_that_the_device_ignores_is_said(tmp_path):
    with checkpoints.create(
        tmp_path / "sweep", planted_sweep.spec(recipe=grokjax.Recipe(precision="bfloat16"))
    ) as writer:
        assert writer.notes == [
            "precision='bfloat16' changes nothing on this device (cpu): matrix products are float32 there"
        ]


def test_a_description_from_before_runs_were_added_is_refused(own, written, tmp_path):
    """An old config.json put back with its hypers.npz, as a restored backup has them."""
    grown = pathlib.Path(shutil.copytree(own, tmp_path / "grown"))
    more = planted_sweep.spec(num_runs=5, part_runs=2, save="all")
    with checkpoints.resume(grown, more) as writer:
        planted_sweep.run(writer)
    for name in ("config.json", "hypers.npz"):
        shutil.copy(own / name, grown)
    before = content(grown)
    for action in (checkpoints.open_sweep, lambda there: checkpoints.resume(there, more)):
        with pytest.raises(ValueError, match=r"config\.json is older than \S*metrics/part-2, [^\n]*put back"):
            action(grown)
    assert content(grown) == before


def test_a_part_of_another_sweep_beside_ones_own_changes_nothing(own, written):
    """Nothing reads it, and it may be what somebody keeps there."""
    shutil.copytree(written / "twin" / "metrics" / "part-1", own / "metrics" / "part-7")
    (own / "checkpoints" / "part-8").mkdir()
    assert len(checkpoints.open_sweep(own)) == 3
