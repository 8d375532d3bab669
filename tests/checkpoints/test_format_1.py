"""A sweep that an older version of the project wrote, with the names of classes and leaves that it had then.

tests/data/sweep_format_1: modulo 5, seeds 0 and 1 with decay 0.5 and 1, 8 steps
tests/data/sweep_format_1_expected.npz: what that version had after 16 steps, trained on from there
"""

import pathlib
import shutil

import jax
import numpy as np
import pytest

import grokjax
from grokjax import checkpoints, training
from grokjax.trees import named_leaves

DATA = pathlib.Path(__file__).parents[1] / "data"


@pytest.fixture
def own(tmp_path):
    """A copy that may be written to."""
    return pathlib.Path(shutil.copytree(DATA / "sweep_format_1", tmp_path / "sweep"))


@pytest.fixture(scope="module")
def expected():
    with np.load(DATA / "sweep_format_1_expected.npz") as archive:
        return dict(archive)


def leaves(expected, prefix):
    return {name.removeprefix(prefix): leaf for name, leaf in expected.items() if name.startswith(prefix)}


def spec_of(sweep, steps):
    """What its command would ask for today."""
    hypers = grokjax.grid(grokjax.presets.nanda(sweep.task)[2], seed=[0, 1], weight_decay=[0.5, 1.0])
    return checkpoints.Spec(
        sweep.task, sweep.config, sweep.recipe, hypers, steps, epoch_steps=4, save="0", block=1, num_devices=2
    )


def trained(directory, steps):
    """Go on with the sweep; the epoch from which it went on, and what was said to be damaged."""
    with checkpoints.resume(directory, spec_of(grokjax.open_sweep(directory), steps)) as writer:
        (part,) = writer.parts
        snapshot = part.restore()
        spec = writer.spec
        arguments = (spec.task, spec.config, spec.recipe, part.hypers)
        epochs = training.train(
            *arguments, steps=spec.steps, epoch_steps=spec.epoch_steps, block=spec.block, resume_from=snapshot
        )
        for epoch in epochs:
            part.record(epoch)
        part.finish()
        return snapshot and snapshot.number, part.damage


def test_it_opens_and_its_runs_are_read(own, expected):
    sweep = grokjax.open_sweep(own)
    assert sweep.task == grokjax.ModularArithmetic(modulus=5) and sweep.config.d_model == 8
    assert sweep.epochs == [0, 2] and sweep.full_epochs() == [0, 2] and sweep.recipe.optimizer == "adamw"
    assert sweep.hypers.seed.tolist() == [0, 0, 1, 1]
    for epoch in (0, 2):
        found = named_leaves(sweep.runs(epoch).params)
        recorded = leaves(expected, f"params.{epoch}.")
        assert found.keys() == recorded.keys()
        for name, leaf in recorded.items():
            np.testing.assert_array_equal(found[name], leaf)
            np.testing.assert_array_equal(named_leaves(sweep.run(3, epoch).params)[name], leaf[3])
    assert sweep.state(2).step.tolist() == [8] * 4
    for name in ("loss", "gradient_norm"):
        np.testing.assert_array_equal(sweep.metrics[name], expected[f"metrics.{name}"][:, :8])
    np.testing.assert_array_equal(sweep.metrics["test_step"], [0, 4, 8])


def test_it_goes_on_to_the_bits_that_the_older_version_had(own, expected, tmp_path):
    """To the last bit on a machine that repeats the bits of its first steps; to rounding on any other."""
    assert trained(own, 16) == (2, [])
    sweep = grokjax.open_sweep(own)
    assert sweep.epochs == [0, 2, 4] and sweep.record["format"] == 1
    again = tmp_path / "again"
    assert trained_anew(again, sweep) == (None, [])
    first = grokjax.open_sweep(again).metrics["loss"][:, :8]
    same_kind = np.array_equal(first, expected["metrics.loss"][:, :8])
    same = (
        np.testing.assert_array_equal
        if same_kind
        else lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    )
    for name in ("loss", "gradient_norm", "test_loss", "test_step"):
        same(sweep.metrics[name], expected[f"metrics.{name}"])
    for name, leaf in leaves(expected, "params.4.").items():
        same(named_leaves(sweep.params(4))[name], leaf)
    state = jax.tree.leaves(sweep.state(4).replace(params=None))
    for leaf, recorded in zip(state, leaves(expected, "rest.4.").values(), strict=True):
        same(np.asarray(leaf), recorded)


def trained_anew(directory, sweep):
    """The same sweep from its beginning, in the format of today."""
    with checkpoints.create(directory, spec_of(sweep, 16)):
        pass
    return trained(directory, 16)


def test_it_is_resumed_only_as_what_it_is(own):
    sweep = grokjax.open_sweep(own)
    with pytest.raises(ValueError, match="steps: recorded 8, asked for 4"):
        checkpoints.resume(own, spec_of(sweep, 4))
    (own / "metrics" / "part-0" / "steps-00000000-00000000.npz").unlink()
    with pytest.raises(ValueError, match=r"the file of step 0, steps-00000000-00000000\.npz, is missing"):
        print(sweep.metrics["test_loss"])
    begun, damage = trained(own, 12)
    assert begun is None, "nothing to go on from: the evaluation of step 0 is gone"
    assert ["lacks metrics of steps up to" in line for line in damage] == [True, True, False]
    assert grokjax.open_sweep(own).metrics["test_step"].tolist() == [0, 4, 8, 12]


@pytest.mark.parametrize("epoch, other", [(0, 2), (2, 0)])
def test_an_epoch_under_another_number_is_noticed(own, epoch, other):
    folder = own / "checkpoints" / "part-0"
    (folder / str(other)).rename(folder / "moved")
    (folder / str(epoch)).rename(folder / str(other))
    with pytest.raises(
        ValueError, match=rf"epoch {other} in .* does not belong there: it was saved as epoch {epoch}"
    ):
        grokjax.open_sweep(own).runs(other)
