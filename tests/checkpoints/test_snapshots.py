import json
import pathlib
import re
import shutil
import types

import jax
import numpy as np
import orbax.checkpoint as ocp
import planted_sweep
import pytest
import tensorstore

from grokjax import checkpoints
from grokjax.checkpoints import checksums, saver, snapshots

SPEC = planted_sweep.spec(save="0,2")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("finished") / "sweep"
    planted_sweep.write(directory, SPEC)
    return directory


@pytest.fixture
def own(finished, tmp_path):
    """A copy that may be damaged."""
    return pathlib.Path(shutil.copytree(finished, tmp_path / "sweep"))


def test_what_is_read_is_what_was_saved(finished):
    sweep = planted_sweep.check(finished, SPEC)
    assert (
        sweep.epochs == [0, 2, 6]
        and sweep.full_epochs() == [2, 6]
        and [sweep.steps(epoch) for epoch in sweep.epochs] == [0, 20, 60]
    )
    assert jax.tree.structure(sweep.params(2)) == jax.tree.structure(planted_sweep.runs(range(4), 20).params)


def test_one_run_is_a_slice_of_all(finished):
    sweep = checkpoints.open_sweep(finished)
    whole = sweep.params(2)
    for run in range(4):
        jax.tree.map(
            np.testing.assert_array_equal,
            sweep.params(2, run=run),
            jax.tree.map(lambda leaf, run=run: leaf[run], whole),
        )


def test_every_leaf_is_stored_in_one_chunk_per_run(finished):
    """So that one run is read without the others."""
    folder = finished / "checkpoints" / "part-0" / "2" / "params"
    store = tensorstore.KvStore.open(
        {"driver": "ocdbt", "base": {"driver": "file", "path": f"{folder}/"}}
    ).result()
    keys = [key.decode() for key in store.list().result()]
    leaves = {key.removesuffix("/.zarray") for key in keys if key.endswith("/.zarray")}
    assert leaves == {"W_E", "W_U", "blocks.0.W_in", "blocks.0.b_in"}
    for leaf in leaves:
        described = json.loads(store.read(f"{leaf}/.zarray").result().value)
        assert described["chunks"] == [1, *described["shape"][1:]] and described["shape"][0] == 4


def test_orbax_alone_reads_the_parameters(finished):
    with ocp.CheckpointManager(finished / "checkpoints" / "part-0") as manager:
        found = manager.restore(0, args=ocp.args.Composite(params=ocp.args.StandardRestore()))["params"]
    jax.tree.map(np.testing.assert_array_equal, found, planted_sweep.runs(range(4), 0).params)


def data_files(folder):
    """The large files of an item: array data."""
    return sorted(
        (path for path in folder.rglob("*") if path.is_file() and path.parent.name == "d"),
        key=lambda path: -path.stat().st_size,
    )


def flipped(path, position):
    """The file with one bit flipped; its content before."""
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[position] ^= 1 << position % 8
    path.write_bytes(damaged)
    return whole


def test_flipped_bits_in_array_data_are_found_and_their_run_is_named(tmp_path):
    """Orbax by itself reads most of them as silent wrong numbers."""
    values = np.random.default_rng(0).normal(size=(4, 2000)).astype(np.float32)
    folder = tmp_path / "part-0"
    writing = saver.Saver(folder, 1, keep_full=False)
    writing.save(
        0,
        0,
        state=types.SimpleNamespace(params={"W": values}, step=np.zeros(4), _fields=("params", "step")),
        keep=True,
    )
    writing.close()
    read = lambda run=None: snapshots.arrays(
        folder, 0, rows=slice(None) if run is None else slice(run, run + 1)
    )["params.W"]
    # The storage library puts the four runs into one file or into two, as its threads happen to meet.
    runs_held = [
        path for path in data_files(folder / "0" / "params") if path.stat().st_size > values.nbytes / 4
    ]
    by_checksum = 0
    places = [(path, at) for path in runs_held for at in range(500, path.stat().st_size - 500, 1000)]
    for path, position in places:
        whole = flipped(path, position)
        with pytest.raises(ValueError, match=rf"^epoch 0 in {folder} is damaged: params.W [^\n]*$") as caught:
            read()
        if match := re.search(r"params.W of run (\d) has checksum", str(caught.value)):
            by_checksum += 1
            run = int(match[1])
            with pytest.raises(ValueError, match=f"params.W of run {run} has checksum"):
                read(run)
            np.testing.assert_array_equal(read((run + 1) % 4), values[[(run + 1) % 4]])
        path.write_bytes(whole)
    np.testing.assert_array_equal(read(), values)
    assert by_checksum >= 10


def test_no_flipped_bit_anywhere_gives_a_wrong_number(own):
    sweep, expected, detected = checkpoints.open_sweep(own), planted_sweep.runs(range(4), 0).params, 0
    for path in [path for path in (own / "checkpoints" / "part-0" / "0").rglob("*") if path.is_file()]:
        size = path.stat().st_size
        for position in range(0, size, max(1, size // 16)):
            whole = flipped(path, position)
            try:
                jax.tree.map(np.testing.assert_array_equal, sweep.params(0), expected)
            except ValueError as error:
                assert "epoch 0" in str(error) and "\n" not in str(error)
                detected += 1
            path.write_bytes(whole)
    assert detected > 30


@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
@pytest.mark.parametrize("name", ["manifest.ocdbt", "data", "checksums"])
def test_files_cut_short_or_missing_are_one_sentence(own, capfd, damage, name):
    folder = own / "checkpoints" / "part-0" / "2"
    path = {
        "manifest.ocdbt": folder / "params" / "manifest.ocdbt",
        "checksums": folder / "checksums" / "metadata",
        "data": data_files(folder / "params")[0],
    }[name]
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    for also in [p for p in data_files(folder / "params") if name == "data"]:
        also.unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"^epoch 2 in .*part-0 is damaged: [^\n]*$"):
        checkpoints.open_sweep(own).params(2)
    assert capfd.readouterr() == ("", "")
    jax.tree.map(
        np.testing.assert_array_equal,
        checkpoints.open_sweep(own).params(0),
        planted_sweep.runs(range(4), 0).params,
    )


def test_an_altered_manifest_is_found(own):
    path = own / "checkpoints" / "part-0" / "2" / "checksums" / "metadata"
    path.write_text(path.read_text().replace('"step": 20', '"step": 21'))
    with pytest.raises(ValueError, match="its checksums are not those that were written"):
        checkpoints.open_sweep(own).steps(2)


def test_another_type_or_shape_than_was_saved_is_found():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    record = dict(dtype="float32", shape=[2, 3], crc32=checksums.of_rows(array))
    checksums.verify("W", array, record, slice(None))
    checksums.verify("W", array[1:], record, slice(1, 2))
    with pytest.raises(ValueError, match=r"W is float64\[2, 3\], saved was float32\[2, 3\]"):
        checksums.verify("W", array.astype(np.float64), record, slice(None))
    with pytest.raises(ValueError, match=r"W is float32\[2, 2\]"):
        checksums.verify("W", array[:, :2], record, slice(None))
    with pytest.raises(ValueError, match="W of run 1 has checksum"):
        checksums.verify("W", array[:1], record, slice(1, 2))


def test_a_state_of_another_model_is_refused(finished):
    leaves = {"W": np.zeros((4, 2), np.float32)}
    for shape, dtype, sentence in [
        ((3,), np.float32, r"W is float32\[2\] per run, not float32\[3\]"),
        ((2,), np.int32, r"not int32\[2\]"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            snapshots.shaped(leaves, {"W": jax.ShapeDtypeStruct(shape, dtype)}, "epoch 1")
    with pytest.raises(ValueError, match="V is not in it"):
        snapshots.shaped(
            leaves,
            {"W": jax.ShapeDtypeStruct((2,), np.float32), "V": jax.ShapeDtypeStruct((), np.float32)},
            "epoch 1",
        )
    with pytest.raises(ValueError, match="W is in it but not expected"):
        snapshots.shaped(leaves, {}, "epoch 1")
    with (
        checkpoints.resume(finished, SPEC) as writer,
        pytest.raises(ValueError, match=r"of another model: params.W_E is float32\[5, 4\]"),
    ):
        writer.parts[0].restore(planted_sweep.target(width=6))
    assert checkpoints.open_sweep(finished).full_epochs() == [2, 6]


def test_types_of_every_kind_come_back_to_the_bit(tmp_path):
    """Typed keys, bfloat16, flags, and rows with no elements."""
    keys = jax.random.split(jax.random.key(0), 2)
    rest = dict(
        params={"W": np.full((2, 3), np.nan, np.float32)},
        key=keys,
        half=jax.numpy.arange(4, dtype="bfloat16").reshape(2, 2),
        flag=np.array([True, False]),
        wide=np.arange(2, dtype=np.uint32),
    )
    runs = types.SimpleNamespace(**rest, _fields=tuple(rest))
    writing = saver.Saver(tmp_path / "part-0", 1, keep_full=True)
    writing.save(0, 0, state=runs, keep=True)
    writing.close()
    found = {
        name.split(".", 1)[1]: leaf
        for name, leaf in snapshots.arrays(tmp_path / "part-0", 0, snapshots.ITEMS).items()
    }
    of = jax.ShapeDtypeStruct
    target = dict(
        W=of((3,), np.float32),
        key=jax.eval_shape(lambda: jax.random.key(0)),
        half=of((2,), "bfloat16"),
        flag=of((), bool),
        wide=of((), np.uint32),
    )
    back = snapshots.shaped(found, target, "epoch 0")
    assert (jax.random.key_data(back["key"]) == jax.random.key_data(keys)).all()
    for name in ("half", "flag", "wide"):
        np.testing.assert_array_equal(np.asarray(back[name]), np.asarray(rest[name]))
    assert np.isnan(back["W"]).all()
    with pytest.raises(ValueError, match="every leaf must begin with the run axis"):
        saver.writable({"count": np.int32(3)})


def test_saves_do_not_pile_up_in_memory(tmp_path):
    """Orbax by itself grows by some 40 kB a save; the state is 8 MB."""
    runs = types.SimpleNamespace(
        params={"W": np.zeros((2, 500_000), np.float32)},
        moments={"m": np.zeros((2, 500_000), np.float32)},
        _fields=("params", "moments"),
    )
    writing, before = saver.Saver(tmp_path / "part-0", 1, keep_full=False), 0
    for epoch in range(16):
        writing.save(epoch, epoch, state=runs, keep=epoch == 0)
        if epoch == 5:
            writing.wait()
            before = resident()
    writing.close()
    assert resident() - before < 10 * 300e3 + 16e6
    assert snapshots.epochs(tmp_path / "part-0") == [0, 14, 15]


def resident():
    """Bytes of this process in memory."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096
