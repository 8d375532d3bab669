"""config.json and hypers.npz of every wrong kind: one sentence that names the file."""

import dataclasses
import json

import numpy as np
import planted_sweep
import pytest

from grokjax import checkpoints
from grokjax.checkpoints import description

SPEC = planted_sweep.spec(num_runs=3, part_runs=2)


@pytest.fixture
def own(tmp_path):
    """A sweep that may be damaged."""
    with checkpoints.create(tmp_path / "sweep", SPEC):
        pass
    return tmp_path / "sweep"


def columns_of(own):
    with np.load(own / "hypers.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda columns: columns.pop("weight_decay"), "damaged: weight_decay is not what was written"),
        (lambda columns: columns.update(seed=columns["seed"][::-1]), "damaged: seed is not what was written"),
        (lambda columns: columns.update(new=columns["seed"]), "damaged: new is not what was written"),
        (lambda columns: columns.update(b1=columns["b1"] * np.nan), "damaged: b1 is not what was written"),
        (lambda columns: columns.update(b1=np.float32(1)), r"damaged: 'b1' is float32\[\], not a column"),
        (lambda columns: columns.update(b1=np.array(["x"] * 3)), r"damaged: 'b1' is <U1\[3\], not a column"),
        (lambda columns: columns.update(b1=columns["b1"][:2]), "names 3 runs, its 'b1' has 2"),
        (lambda columns: columns.clear(), "is not what was written"),
    ],
)
def test_hypers_that_are_not_those_that_were_written(own, change, words):
    columns = columns_of(own)
    change(columns)
    np.savez(own / "hypers.npz", **columns)
    for read in (lambda: checkpoints.open_sweep(own).hypers, lambda: checkpoints.resume(own, SPEC)):
        with pytest.raises(ValueError, match=words):
            read()


def test_a_knob_that_came_later_has_its_default(own):
    """A sweep that was written when `label_noise` and `frozen` were no fields yet opens and is gone on with."""
    columns = columns_of(own)
    for name in ("label_noise", "frozen"):
        del columns[name]
    np.savez(own / "hypers.npz", **columns)
    path = own / "config.json"
    found = json.loads(path.read_text())
    found["hypers"]["crc32"] = {name: description.checksum(x) for name, x in columns.items()}
    path.write_text(json.dumps(description.sealed(found)))
    hypers = checkpoints.open_sweep(own).hypers
    assert hypers.label_noise.tolist() == [0] * 3 and hypers.label_noise.dtype == np.float32
    assert hypers.frozen.tolist() == [0] * 3 and hypers.frozen.dtype == np.int32
    other = SPEC.hypers.replace(label_noise=np.full(3, 0.1, np.float32))
    with pytest.raises(ValueError, match=r"label_noise of run 0: recorded 0\.0, asked for 0\.1"):
        checkpoints.resume(own, dataclasses.replace(SPEC, hypers=other))
    with checkpoints.resume(own, SPEC):
        pass
    assert "label_noise" in columns_of(own)


def test_an_array_larger_than_its_file_is_not_tried(own):
    """A header of 36 TB."""
    path = own / "hypers.npz"
    columns = columns_of(own)
    np.savez(path, **columns)
    path.write_bytes(path.read_bytes().replace(b"(3,), }          ", b"(9999999999999,),}"[:17].ljust(17)))
    with pytest.raises(ValueError, match=r"hypers.npz is missing or damaged"):
        print(checkpoints.open_sweep(own).hypers)


WRONG = [
    (dict(steps=0), "'steps' is 0"),
    (dict(steps=True), "'steps' is True"),
    (dict(steps=1e30), "'steps' is 1e+30"),
    (dict(steps=10**30), "'steps' is 1000"),
    (dict(steps=2**31 - 1, epoch_steps=1), "more than 10000000 epochs"),
    (dict(epoch_steps=None), "'epoch_steps' is None"),
    (dict(save="often"), "'save' is 'often'"),
    (dict(save=["all"]), "'save' is"),
    (dict(block={}), "'block' is {}"),
    (dict(block=0), "'block' is 0"),
    (dict(parts=".."), "'parts' is '..'"),
    (dict(parts=[]), r"'parts' is \[\]"),
    (dict(parts={}), "'parts' is {}"),
    (dict(parts=[3]), r"'parts' is \[3\]"),
    (dict(parts=[{"first": 1, "runs": 2}]), "runs that do not follow each other"),
    (dict(parts=[{"first": 0, "runs": 10**12}]), "'parts' is"),
    (dict(parts=[{"first": 0, "runs": 2 * 10**9}]), "names 2000000000 runs, more than"),
    (dict(task="os:system"), "'task' is 'os:system'"),
    (dict(task={}), "'task' is {}"),
    (dict(task={"class": 3, "fields": {}}), "'task' is"),
    (dict(task={"class": "grokjax.tasks:Addition"}), "'task' is"),
    (dict(task={"class": "grokjax.tasks:Addition", "fields": []}), "'task' is"),
    (dict(config={"class": "grokjax.config:ModelConfig", "fields": {"d_model": {}}}), "'config' is"),
    (dict(recipe=None), "'recipe' is None"),
    (dict(hypers={"class": "grokjax.config:Hyper", "file": "../hypers.npz"}), "'hypers' is"),
    (dict(hypers=[]), r"'hypers' is \[\]"),
    (dict(versions=None), "'versions' is None"),
    (dict(machine={"platform": 3}), "'machine' is"),
    (dict(num_devices="2"), "'num_devices' is '2'"),
    (dict(command=[]), r"'command' is \[\]"),
    (dict(id=None), "it has no 'id' and checksums"),
]


@pytest.mark.parametrize("changes, words", WRONG)
def test_a_description_of_every_wrong_kind_is_one_sentence(own, changes, words):
    path = own / "config.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps(description.sealed(found | changes)))
    for action in (checkpoints.open_sweep, lambda directory: checkpoints.resume(directory, SPEC)):
        with pytest.raises(
            ValueError, match=rf"config.json is damaged: [^\n]*{words.replace('+', '.')}[^\n]*$"
        ):
            action(own)


@pytest.mark.parametrize("name", ["task", "steps", "parts", "versions", "machine", "hypers", "save", "id"])
def test_a_description_that_lacks_an_entry_names_it(own, name):
    path = own / "config.json"
    found = json.loads(path.read_text())
    del found[name]
    path.write_text(json.dumps(description.sealed(found)))
    with pytest.raises(ValueError, match=f"config.json is damaged: it has no '{name}'"):
        checkpoints.open_sweep(own)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"format": 2}', "[1]", '{"a":' * 5000, '{"format": 1}'])
def test_a_description_that_is_none_is_one_sentence(own, content):
    (own / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config.json is damaged: [^\n]*$"):
        checkpoints.open_sweep(own)


def test_an_edited_description_is_noticed(own):
    path = own / "config.json"
    path.write_text(path.read_text().replace('"modulus": 5', '"modulus": 7'))
    with pytest.raises(ValueError, match=r"config\.json is damaged: it is not what was written"):
        checkpoints.open_sweep(own)
