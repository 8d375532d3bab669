import pathlib
import tempfile
import types

import numpy as np
import planted_sweep
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokjax import checkpoints
from grokjax.checkpoints import chunks, metrics
from grokjax.checkpoints.identity import Identity, Place

SEEDS = np.arange(3)
OWN = Identity("of this sweep", 0, 0, len(SEEDS))


def fill(folder, *ends, own=OWN):
    seeds = SEEDS[: own.runs]
    for number, (first, last) in enumerate(zip((0, *ends), ends, strict=False)):
        chunks.write(folder, own, number, (first, last), planted_sweep.metrics(seeds, first, last))
    return metrics.Metrics([Place(folder, folder, own)])


def test_chunks_read_as_one_stretch_in_float32(tmp_path):
    found = fill(tmp_path, 7, 20, 31)
    expected = planted_sweep.metrics(SEEDS, 0, 31)
    assert set(found) == set(expected) and found["loss"].dtype == np.float32
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
    assert chunks.until(tmp_path, OWN, 20) == 2 and chunks.until(tmp_path, OWN, 31) == 3
    with pytest.raises(ValueError, match="lacks metrics of steps up to 21"):
        chunks.until(tmp_path, OWN, 21)
    assert repr(found) == "metrics of 3 runs: loss, gradient_norm, test_loss, test_step"


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.data())
def test_any_cut_gives_the_same_metrics(lengths, data):
    ends = np.cumsum(lengths).tolist()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        fill(folder, *ends)
        kept = data.draw(st.sampled_from([0, *ends]))
        assert chunks.discard_from(folder, OWN, kept, folder / "aside") == []
        assert chunks.until(folder, OWN, kept) == [0, *ends].index(kept)
        if kept:
            np.testing.assert_array_equal(
                metrics.Metrics([Place(folder, folder, OWN)])["loss"],
                planted_sweep.metrics(SEEDS, 0, kept)["loss"],
            )


def test_only_the_metric_asked_for_is_read(tmp_path):
    """Damage to one member is no concern of the others."""
    found = fill(tmp_path, 10)
    path = chunks.chunks(tmp_path)[0].path
    flip(path, path.read_bytes().index(found["gradient_norm"].tobytes()) + 5)
    np.testing.assert_array_equal(found["loss"], planted_sweep.metrics(SEEDS, 0, 10)["loss"])
    with pytest.raises(
        ValueError, match=rf"{path.name} is damaged: 'gradient_norm' cannot be read \(Bad CRC"
    ):
        found["gradient_norm"]


def flip(path, byte, bit=3):
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


def test_no_flipped_bit_gives_a_wrong_number(tmp_path):
    found = fill(tmp_path, 4)
    path = chunks.chunks(tmp_path)[0].path
    whole, expected = path.read_bytes(), planted_sweep.metrics(SEEDS, 0, 4)
    detected = 0
    for byte in range(0, len(whole), 7):
        flip(path, byte, byte % 8)
        for name in expected:
            try:
                np.testing.assert_array_equal(found[name], expected[name])
            except (ValueError, KeyError) as error:
                detected += 1
                assert path.name in str(error) or "no metric" in str(error)
        path.write_bytes(whole)
    assert detected > 20


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all" * 20])
def test_a_file_cut_short_is_named(tmp_path, content):
    found = fill(tmp_path, 4, 8)
    chunks.chunks(tmp_path)[0].path.write_bytes(content)
    with pytest.raises(ValueError, match=r"steps-00000000-00000004.npz is damaged"):
        found["loss"]


def test_a_gap_is_an_error_and_an_unknown_metric_lists_the_known(tmp_path):
    found = fill(tmp_path, 4, 8, 12)
    with pytest.raises(KeyError, match="no metric 'los'; there are loss, gradient_norm"):
        found["los"]
    chunks.chunks(tmp_path)[1].path.unlink()
    with pytest.raises(ValueError, match=r"after step 4 comes steps-00000008-00000012.npz"):
        found["loss"]


def test_parts_of_other_lengths_are_filled_with_nan(tmp_path):
    parts = [Identity("of this sweep", i, 3 * i, runs) for i, runs in enumerate((3, 3, 2))]
    places = [Place(tmp_path / f"part-{own.part}", tmp_path, own) for own in parts]
    fill(places[0].metrics, 10, 30, own=parts[0])
    fill(places[1].metrics, 10, own=parts[1])
    found = metrics.Metrics(places)
    assert found["loss"].shape == (8, 30, planted_sweep.COLUMNS) and found["test_step"].tolist() == [
        0,
        10,
        20,
    ]
    np.testing.assert_array_equal(found["loss"][3:6, :10], planted_sweep.metrics(SEEDS, 0, 10)["loss"])
    assert (
        np.isnan(found["loss"][3:6, 10:]).all()
        and np.isnan(found["loss"][6:]).all()
        and not np.isnan(found["loss"][:3]).any()
    )


def test_an_epoch_that_leaves_a_gap_is_refused(tmp_path):
    with checkpoints.create(tmp_path / "sweep", planted_sweep.spec()) as writer:
        epochs = planted_sweep.epochs(writer.parts[0], None)
        writer.parts[0].record(next(epochs))
        next(epochs)
        with pytest.raises(
            ValueError, match="epoch 2 ends at step 20: it brings 10 steps, before it there are 0"
        ):
            writer.parts[0].record(next(epochs))
        uneven = dict(loss=np.zeros((4, 2, 1)), gradient_norm=np.zeros((4, 3)))
        with pytest.raises(ValueError, match=r"different numbers of steps: \[2, 3\]"):
            writer.parts[0].record(types.SimpleNamespace(number=1, step=10, metrics=uneven))


def test_metrics_between_two_saves_wait_in_memory_and_are_written_when_due(tmp_path, monkeypatch):
    from grokjax.checkpoints import part as parts

    with checkpoints.create(tmp_path / "sweep", planted_sweep.spec(save="0")) as writer:
        part = writer.parts[0]
        for epoch in planted_sweep.epochs(part, None):
            part.record(epoch)
            if epoch.number == 2:
                assert chunks.chunks(part.metrics) == []
                monkeypatch.setattr(parts, "FLUSH_SECONDS", 0)
            if epoch.number == 3:
                assert [chunk[:2] for chunk in chunks.chunks(part.metrics)] == [(0, 30)]
        part.finish()
    planted_sweep.check(tmp_path / "sweep", planted_sweep.spec(save="0"))
