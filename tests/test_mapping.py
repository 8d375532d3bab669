"""A function of one run, lifted over all runs and devices."""

import functools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

import grokjax as gj
from grokjax import mapping, programs
from grokjax.interp import llc
from grokjax.mapping import map_runs


def test_a_function_of_one_run_is_lifted_over_all_on_every_device():
    """Also over a number of runs that the devices do not divide, compiled once; with several arguments."""
    traced = []

    def norm(run, factor):
        traced.append(1)
        return {"norm": factor * jnp.linalg.norm(run["w"])}

    lifted = map_runs(norm)
    for seed in range(2):
        w, factor = (
            np.random.default_rng(seed).normal(size=(5, 3)).astype(np.float32),
            np.arange(5, dtype=np.float32),
        )
        found = lifted({"w": w}, factor)["norm"]
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, factor * np.linalg.norm(w, axis=1), rtol=1e-6)
    assert len(traced) == 1


@pytest.mark.parametrize(
    ("function", "waits"),
    [
        (lambda x: jnp.linalg.svd(x)[1], True),
        (lambda x: jax.lax.map(lambda m: jnp.linalg.svd(m)[1], x), False),
        (lambda x: jax.jit(jax.vmap(jnp.linalg.cholesky))(x @ x.swapaxes(1, 2)), True),
        (lambda x: jnp.linalg.norm(x), False),
        (lambda x: jnp.linalg.svd(x[0])[1] + jnp.linalg.svd(x[1])[1], True),
    ],
)
def test_several_matrices_at_once_are_factorised_on_one_device(function, waits):
    """On two CPU devices jaxlib's batched kernels can wait for each other for ever."""
    jaxpr = jax.make_jaxpr(function)(jax.ShapeDtypeStruct((3, 4, 4), jnp.float32))
    assert mapping._waits(jaxpr) is waits
    assert (
        map_runs(function)(np.random.default_rng(0).normal(size=(4, 3, 4, 4)).astype(np.float32)).shape[0]
        == 4
    )


def test_typed_keys_are_an_argument_like_others():
    keys = jax.random.split(jax.random.key(0), 3)
    found = map_runs(lambda key, scale: scale * jax.random.uniform(key))(keys, np.arange(3.0))
    np.testing.assert_allclose(found, np.arange(3) * jax.vmap(jax.random.uniform)(keys), rtol=1e-6)


@pytest.mark.parametrize(
    ("runs", "given"), [((np.ones(3), np.ones(4)), "3, 4"), ((np.ones(()),), "a scalar"), (({},), "nothing")]
)
def test_what_is_not_stacked_alike_is_refused(runs, given):
    with pytest.raises(ValueError, match=f"it was given leaves of {given}"):
        map_runs(lambda *one: one)(*runs)


two_devices = pytest.mark.skipif(len(jax.devices()) < 2, reason="one device")


@functools.cache
def runs():
    task = gj.ModularArithmetic(modulus=5)
    config, recipe, hyper = gj.presets.pizza(task, d_model=4, num_heads=2, d_mlp=8)
    return gj.Run.init(task, config, recipe, gj.grid(hyper, seed=range(3)))


@two_devices
def test_a_learning_coefficient_has_the_same_bits_on_any_device_and_in_any_company():
    estimate = functools.partial(
        llc.of, batch=runs().task.table(), key=jax.random.key(0), epsilon=1e-4, gamma=10.0,
        num_chains=2, num_draws=8, num_burn_in=2,
    )  # fmt: skip
    lifted, alone = map_runs(estimate), map_runs(estimate)
    found = lifted(runs())
    assert len(np.unique(found.trace)) == found.trace.size
    order = np.array([2, 0, 1])
    for again, rows in (
        (lifted(runs()[order]), order),  # run 0 and 1 on the second device
        (lifted(runs()[1:2]), np.array([1])),  # by the program that has room for more
        (alone(runs()[2:]), np.array([2])),  # by one of its own
    ):
        for a, b in zip(*map(jax.tree.leaves, (found, again)), strict=True):
            np.testing.assert_array_equal(a[rows], b)


@two_devices
def test_devices_work_at_the_same_time():
    """Each waits for the other inside the program."""
    meeting = threading.Barrier(2)

    def meet(number):
        meeting.wait(timeout=120)
        return number

    apart = map_runs(lambda number: jax.pure_callback(meet, number, number))
    np.testing.assert_array_equal(apart(np.arange(4, dtype=np.float32)), np.arange(4))


@two_devices
@pytest.mark.parametrize("factorisations", [1, 2])
def test_runs_may_lie_on_any_devices(factorisations):
    mesh = Mesh(np.array(jax.devices()[:2]), ("runs",), axis_types=(AxisType.Auto,))
    places = [SingleDeviceSharding(device) for device in jax.devices()[:2]]
    places += [NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("runs",), ())]
    x = np.random.default_rng(0).normal(size=(4, 3, 3)).astype(np.float32)
    lifted = map_runs(
        lambda matrix: [jnp.linalg.svd(matrix + i, compute_uv=False) for i in range(factorisations)]
    )
    expected = [np.linalg.svd(x + i, compute_uv=False) for i in range(factorisations)]
    for place in places:
        np.testing.assert_allclose(lifted(jax.device_put(x, place)), expected, rtol=1e-4)


def test_fewer_runs_need_no_new_program(monkeypatch):
    lifted, made, compiled = map_runs(lambda x: x + 1), [], programs.compiled_once
    monkeypatch.setattr(programs, "compiled_once", lambda *args: made.append(args) or compiled(*args))
    for size in (5, 2, 4, 1):
        x = np.arange(size, dtype=np.float32)
        np.testing.assert_array_equal(lifted(x), x + 1)
    assert len(made) == 1


@pytest.mark.parametrize(
    ("devices", "num_runs", "stacks"), [(1, 3, 1), (2, 1, 2), (2, 3, 2), (2, 4, 1), (2, 9, 1), (16, 5, 3)]
)
def test_stacks_are_put_together_until_few_devices_are_idle(monkeypatch, devices, num_runs, stacks):
    monkeypatch.setattr(jax, "local_devices", lambda: [None] * devices)
    assert mapping.stacks_at_once(num_runs) == stacks
