"""Writes files as `torch.save` does, without torch: what the readers are tested on."""

import struct
import zipfile

import numpy as np

text = lambda x: b"X" + struct.pack("<i", len(x.encode())) + x.encode()
number = lambda n: b"J" + struct.pack("<i", n)
several = lambda items: b"(" + b"".join(items) + b"t"
name = lambda module, attribute: f"c{module}\n{attribute}\n".encode()
STORAGE = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "bool": "BoolStorage",
}


def tensor(array, key, *, shape=None, strides=None, offset=0, size=None):
    """The pickle of a tensor on storage `key`; shape, strides and size (of the storage) may lie."""
    shape = array.shape if shape is None else shape
    strides = [s // array.itemsize for s in array.strides] if strides is None else strides
    kind = name("torch", STORAGE[str(array.dtype)])
    size = array.size if size is None else size
    storage = several([text("storage"), kind, text(str(key)), text("cuda:0"), number(size)]) + b"Q"
    whole = [storage, number(offset), several(map(number, shape)), several(map(number, strides))]
    return (
        name("torch._utils", "_rebuild_tensor_v2")
        + several([*whole, b"\x89", name("collections", "OrderedDict") + b")R"])
        + b"R"
    )


def mapping(items):
    """The pickle of a dict of pickles."""
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def state(weights):
    """The pickle of tensors by name, on storages 0, 1, ..."""
    arrays = {key: np.asarray(x, order="C") for key, x in weights.items()}
    return mapping({key: tensor(x, i) for i, (key, x) in enumerate(arrays.items())})


def write(path, weights, content=None, *, compression=zipfile.ZIP_STORED):
    """A checkpoint in torch's zip format; `content` is the pickle where it is not the weights alone."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(
            "archive/data.pkl", b"\x80\x02" + (state(weights) if content is None else content) + b"."
        )
        for i, x in enumerate(weights.values()):
            archive.writestr(f"archive/data/{i}", np.ascontiguousarray(x).tobytes())
        archive.writestr("archive/version", "3\n")
    return path


def write_legacy(path, weights):
    """A checkpoint in the format before torch 1.6."""
    magic = b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
    parts = [
        magic,
        b"M\xe9\x03",
        b"}",
        state(weights),
        b"](" + b"".join(text(str(i)) for i in range(len(weights))) + b"e",
    ]
    data = b"".join(b"\x80\x02" + part + b"." for part in parts)
    for x in weights.values():
        data += struct.pack("<q", x.size) + np.ascontiguousarray(x).tobytes()
    path.write_bytes(data)
    return path


def columns(params):
    """Weights in the orientation of Nanda's and the pizza code, by their names."""
    found = {"embed.W_E": params["W_E"].T, "pos_embed.W_pos": params["W_pos"]}
    for layer, p in enumerate(params["blocks"]):
        at = f"blocks.{layer}."
        found |= {f"{at}attn.{w}": np.transpose(p[w], (1, 2, 0)) for w in ("W_K", "W_Q", "W_V")}
        found[f"{at}attn.W_O"] = np.asarray(p["W_O"]).reshape(-1, p["W_O"].shape[2]).T
        found[f"{at}attn.mask"] = np.tri(len(params["W_pos"]), dtype=np.float32)
        found |= {f"{at}mlp.{w}": np.asarray(p[w]).T for w in ("W_in", "b_in", "W_out", "b_out") if w in p}
    found["unembed.W_U"] = params["W_U"]
    return {key: np.asarray(x, np.float32) for key, x in found.items()}
