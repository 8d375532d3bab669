"""safetensors: a run comes back to the bit, and a file cannot ask for anything to be imported or called."""

import json

import jax
import numpy as np
import pytest
import safetensors
from safetensors import numpy as safetensors_numpy

import grokjax as gj
from grokjax import interop
from grokjax.interop import safetensors_file

TASK = gj.Addition(num_digits=1, held_out=((1, 2), (3, 4)))
CONFIG = gj.ModelConfig.of(
    TASK, d_model=8, num_heads=2, num_layers=2, layer_norm=True, positions="fire", unembed_bias=True
)


def fresh(seed=3, **hyper):
    hyper = gj.grid(gj.Hyper(**hyper), seed=[seed, seed + 1])
    return gj.Run.init(TASK, CONFIG, gj.Recipe(schedule="cosine", stop_below=0.25), hyper)


def identical(a, b):
    same = lambda x, y: (
        np.asarray(x).dtype == np.asarray(y).dtype and np.asarray(x).tobytes() == np.asarray(y).tobytes()
    )
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        map(same, jax.tree.leaves(a), jax.tree.leaves(b))
    )


@pytest.mark.parametrize("part", ["run", "stack"])
def test_a_run_comes_back_to_the_bit(tmp_path, part):
    runs = fresh(attention_rate=1 / 3, learning_rate=1e-3, frozen=gj.freeze("W_E"))
    saved = runs[1] if part == "run" else runs
    interop.save_safetensors(saved, tmp_path / "a.safetensors")
    back = interop.load_safetensors(tmp_path / "a.safetensors")
    assert (
        identical(back, saved) and back.task == TASK and back.config == CONFIG and back.recipe == saved.recipe
    )


def test_other_tools_find_weights_by_name(tmp_path):
    run = fresh()[0]
    interop.save_safetensors(run, tmp_path / "a.safetensors")
    found = safetensors_numpy.load_file(tmp_path / "a.safetensors")
    assert {"W_E", "blocks.1.W_Q", "blocks.0.fire.w1", "ln_final.w", "b_U"} <= set(found)
    np.testing.assert_array_equal(found["blocks.1.W_Q"], run.params["blocks"][1]["W_Q"])


def my_loss(logits, labels):
    return logits.sum(-1) * labels


def cube(a, b):
    return a**3


def test_functions_of_ones_own_are_given_again(tmp_path):
    path = tmp_path / "a.safetensors"
    task = gj.ModularArithmetic(5, cube)
    recipe = gj.Recipe(loss=my_loss)
    run = gj.Run.init(task, gj.ModelConfig.of(task, d_model=4, num_heads=1), recipe, gj.Hyper())
    interop.save_safetensors(run, path)
    with pytest.raises(ValueError, match="operation of its task is the function 'cube': give task="):
        interop.load_safetensors(path)
    with pytest.raises(ValueError, match="loss of its recipe is the function 'my_loss': give recipe="):
        interop.load_safetensors(path, task=task)
    assert identical(interop.load_safetensors(path, task=task, recipe=recipe), run)


def rewritten(path, metadata=None, arrays=None):
    """The file of a run with other metadata or arrays."""
    interop.save_safetensors(fresh()[0], path)
    with safetensors.safe_open(path, framework="numpy") as file:
        kept = dict(file.metadata())
    kept |= metadata or {}
    found = safetensors_numpy.load_file(path) | (arrays or {})
    kept["crc32"] = json.dumps(safetensors_file.checksums(found, kept))
    safetensors_numpy.save_file(found, path, kept)


@pytest.mark.parametrize(
    "metadata, arrays, words",
    [
        (
            dict(task=json.dumps({"class": "os:system", "fields": {}})),
            {},
            "its task 'os:system' is none of Addition",
        ),
        (dict(task=json.dumps({"class": "split", "fields": {}})), {}, "its task 'split' is none of Addition"),
        (
            dict(task=json.dumps({"class": "Addition", "fields": {"base": 99}})),
            {},
            "base=99 must be an integer",
        ),
        (dict(config=json.dumps({"fields": {"d_model": 2**40}})), {}, "an integer of at most 2147483647"),
        (dict(config=json.dumps({"fields": {"d_model": 2**30}})), {}, "must be a multiple|asks for"),
        (dict(hyper="[" * 100_000), {}, "is not the file of a run"),
        (dict(hyper=json.dumps({"speed": 1})), {}, "speed"),
        (dict(format="other 2"), {}, "format='other 2' in its header"),
        ({}, {"W_E": np.zeros((2, 2), np.float32)}, r"W_E has shape \(2, 2\), its config asks for \(12, 8\)"),
        ({}, {"extra": np.zeros(2, np.float32)}, r"extra has shape \(2,\), its config asks for None"),
    ],
)
def test_a_file_that_is_not_what_it_claims_is_refused(tmp_path, metadata, arrays, words):
    path = tmp_path / "a.safetensors"
    rewritten(path, metadata, arrays)
    with pytest.raises(ValueError, match=rf"is not the file of a run.*({words})|({words})"):
        interop.load_safetensors(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 64, b"\x02" + bytes(7) + b"{}"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"other.safetensors is not the file of a run"):
        interop.load_safetensors(path)
    with pytest.raises(FileNotFoundError):
        interop.load_safetensors(tmp_path / "missing")


def test_a_file_with_changed_bytes_is_never_other_weights(tmp_path):
    """The format has no checksum of its own: a changed number would be read as another weight."""
    run, path, random = fresh()[0], tmp_path / "a.safetensors", np.random.default_rng(0)
    interop.save_safetensors(run, path)
    whole, read = path.read_bytes(), 0
    for _ in range(100):
        changed = bytearray(whole)
        changed[random.integers(len(whole))] ^= 1 << random.integers(8)
        path.write_bytes(changed)
        try:
            assert identical(interop.load_safetensors(path), run)
            read += 1
        except ValueError as error:
            assert "a.safetensors is not the file of a run: " in str(error) and "\n" not in str(error)
    assert read < 20


def test_files_from_before_checksums_are_read(tmp_path):
    run, path = fresh()[0], tmp_path / "a.safetensors"
    interop.save_safetensors(run, path)
    with safetensors.safe_open(path, framework="numpy") as file:
        kept = {name: text for name, text in file.metadata().items() if name != "crc32"}
    safetensors_numpy.save_file(
        safetensors_numpy.load_file(path), path, kept | {"format": safetensors_file.BEFORE_CHECKSUMS}
    )
    assert identical(interop.load_safetensors(path), run)
