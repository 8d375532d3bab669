"""Checkpoints are read as data: whatever the pickle asks for, nothing is called, and sizes are bounded."""

import struct
import time
import zipfile

import numpy as np
import pytest
import torch_files
from torch_files import mapping, name, several, tensor, text

from grokjax.interop import torch_file

WEIGHTS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array([1.5, -2], np.float64),
    "c": np.array([0.5], np.float16),
    "mask": np.array([True, False]),
    "scalar": np.array(3.0, np.float32),
}


def same(found, weights):
    return set(found) == set(weights) and all(
        found[key].dtype == x.dtype and np.array_equal(found[key], x) for key, x in weights.items()
    )


@pytest.mark.parametrize("writer", [torch_files.write, torch_files.write_legacy])
def test_weights_come_back_as_they_were(tmp_path, writer):
    assert same(torch_file.load_torch(writer(tmp_path / "a.pt", WEIGHTS)).weights, WEIGHTS)


@pytest.mark.parametrize("key", torch_file.WHOLE)
def test_weights_are_found_beside_settings(tmp_path, key):
    content = mapping(
        {"epoch": b"K\x07", "losses": b"]G" + struct.pack(">d", 0.5) + b"a", key: torch_files.state(WEIGHTS)}
    )
    found = torch_file.load_torch(torch_files.write(tmp_path / "a.pth", WEIGHTS, content))
    assert same(found.weights, WEIGHTS) and found.rest == {"epoch": 7, "losses": [0.5]}


def test_a_transposed_and_a_shared_tensor_are_read_by_their_strides(tmp_path):
    array = WEIGHTS["a"]
    content = mapping(
        {
            "t": tensor(array, 0, shape=(3, 2), strides=(1, 3)),
            "row": tensor(array, 0, shape=(3,), strides=(1,), offset=3),
        }
    )
    found = torch_file.load_torch(torch_files.write(tmp_path / "a.pt", {"a": array}, content)).weights
    assert same(found, {"t": array.T, "row": array[1]})


EVIL = {
    "a call": name("os", "system") + several([text("touch {marker}")]) + b"R",
    "a builtin": name("builtins", "eval") + several([text("open('{marker}','w')")]) + b"R",
    "a name on the stack": text("os") + text("system") + b"\x93" + several([text("touch {marker}")]) + b"R",
    "an old instance": b"(" + text("touch {marker}") + b"ios\nsystem\n",
    "a new object": name("subprocess", "Popen") + several([text("touch {marker}")]) + b"\x81",
    "an extension": b"\x82\x01",
    "a method of a known name": name("collections", "OrderedDict.fromkeys") + b")R",
    "a call of torch": name("torch", "load") + several([text("{marker}")]) + b"R",
}


@pytest.mark.parametrize("kind", EVIL)
@pytest.mark.parametrize("place", ["alone", "beside", "state"])
def test_a_malicious_pickle_does_nothing(tmp_path, kind, place):
    marker = tmp_path / "marker"
    evil = EVIL[kind]
    for before, after in (
        (b"touch {marker}", f"touch {marker}"),
        (b"open('{marker}','w')", f"open('{marker}','w')"),
    ):
        evil = evil.replace(b"X" + struct.pack("<i", len(before)) + before, text(after))
    content = {
        "alone": evil,
        "beside": mapping({"x": evil, "model": torch_files.state(WEIGHTS)}),
        "state": torch_files.state(WEIGHTS) + evil + b"b",
    }[place]
    path = torch_files.write(tmp_path / "evil.pt", WEIGHTS, content)
    with pytest.raises(
        ValueError,
        match=r"evil.pt is not a checkpoint of weights: it has (the name|the pickle operation|a call)",
    ):
        torch_file.load_torch(path)
    assert not marker.exists()


def repeated(count):
    """A list of many numbers, kept, and a call that copies it, again and again."""
    return b"](" + b"K\x01" * 100_000 + b"eq\x00" + (name("torch", "Size") + b"(h\x00tR") * count


HOSTILE = {
    "no storage can hold": mapping({"a": tensor(WEIGHTS["a"], 0, shape=(2**30, 2**30), strides=(0, 0))}),
    "storage cannot hold": mapping({"a": tensor(WEIGHTS["a"], 0, shape=(2, 3), strides=(3, 1), offset=1)}),
    "instead of 2000000000 numbers": mapping({"a": tensor(WEIGHTS["a"], 0, size=2_000_000_000)}),
    "odd numbers": mapping({"a": tensor(WEIGHTS["a"], 0, shape=(-1, 3), strides=(3, 1))}),
    "no storage archive/data/7": mapping({"a": tensor(WEIGHTS["a"], 7)}),
    "no storage archive/data/../../etc": mapping({"a": tensor(WEIGHTS["a"], "../../etc")}),
    "more than 20,000,000 operations": repeated(250),
    "a damaged pickle": b"K\x01K\x02\x87",
    "a list instead of tensors": b"](K\x01e",
    "no tensor under 'x'": mapping({"x": b"K\x01"}),
    "a tuple instead": b")" + b"\x85" * 200_000,
    "a dict instead": b"}",
}
HOSTILE["storage cannot hold "] = HOSTILE.pop("no storage can hold")


@pytest.mark.parametrize("words", HOSTILE)
def test_a_hostile_content_is_refused_quickly(tmp_path, words):
    path = torch_files.write(tmp_path / "odd.pt", {"a": WEIGHTS["a"]}, HOSTILE[words])
    start = time.monotonic()
    with pytest.raises(ValueError, match=rf"odd.pt is not a checkpoint of weights: it has .*{words.strip()}"):
        torch_file.load_torch(path)
    assert time.monotonic() - start < 10


def test_a_content_that_holds_itself_is_visited_once(tmp_path):
    path = torch_files.write_legacy(tmp_path / "a.pt", WEIGHTS)
    state = torch_files.state(WEIGHTS)
    path.write_bytes(path.read_bytes().replace(state, b"}q\x00" + text("x") + b"h\x00s"))
    with pytest.raises(ValueError, match="is not a checkpoint of weights"):
        torch_file.load_torch(path)


@pytest.mark.parametrize("writer", [torch_files.write, torch_files.write_legacy])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.99])
def test_a_truncated_file_is_an_error_in_one_sentence(tmp_path, writer, share):
    path = writer(tmp_path / "short.pt", WEIGHTS)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"short.pt is (not|a damaged) "):
        torch_file.load_torch(path)


@pytest.mark.parametrize("part", ["zip", "legacy", "pickle"])
def test_a_file_with_changed_bytes_is_read_or_refused(tmp_path, part):
    random, path = np.random.default_rng(0), tmp_path / "changed.pt"
    writer = torch_files.write_legacy if part == "legacy" else torch_files.write
    whole = torch_files.state(WEIGHTS) if part == "pickle" else writer(path, WEIGHTS).read_bytes()
    read = 0
    for _ in range(300):
        changed = bytearray(whole)
        for place in random.integers(len(whole), size=random.integers(1, 4)):
            changed[place] = random.integers(256)
        if part == "pickle":
            torch_files.write(path, WEIGHTS, bytes(changed))
        else:
            path.write_bytes(changed)
        try:
            read += bool(torch_file.load_torch(path).weights)
        except ValueError as error:
            assert "changed.pt is " in str(error)
    assert 0 < read < 300


def test_compressed_archives_are_refused(tmp_path):
    weights = {"a": np.zeros(10**6, np.float32)}
    with pytest.raises(ValueError, match="a compressed archive/data"):
        torch_file.load_torch(
            torch_files.write(tmp_path / "bomb.pt", weights, compression=zipfile.ZIP_DEFLATED)
        )


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02K\x07.", b"\x93NUMPY", b"PK\x03\x04", b"{}"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"other.pt is not a checkpoint of weights: it has "):
        torch_file.load_torch(path)
    with pytest.raises(FileNotFoundError, match=r"missing.pt is not a file"):
        torch_file.load_torch(tmp_path / "missing.pt")


def test_an_archive_without_a_pickle_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match=r"0 files data.pkl instead of one"):
        torch_file.load_torch(tmp_path / "a.zip")
