"""The Flax module: a run's parameters are its variables, and its own are those of the plain model."""

import jax
import numpy as np
import pytest

import grokjax as gj
from grokjax import interop, model

TASK = gj.ModularArithmetic(5)


@pytest.mark.parametrize(
    "options",
    [dict(), dict(layer_norm=True, unembed_bias=True, num_layers=2), dict(positions="fire", mlp=False)],
)
def test_a_runs_parameters_are_the_modules_variables(options):
    config = gj.ModelConfig.of(TASK, d_model=8, num_heads=2, **options)
    run = gj.Run.init(TASK, config, gj.Recipe(), gj.Hyper(attention_rate=0.5))
    module, tokens = interop.FlaxTransformer(config), TASK.table().tokens
    found = module.apply({"params": run.params}, tokens, read=TASK.read, attention_rate=0.5)
    np.testing.assert_array_equal(found, run.forward(tokens, read=TASK.read))
    variables = module.init(jax.random.key(1), tokens)
    shapes = jax.tree.map(lambda x: x.shape, variables["params"])
    assert shapes == jax.tree.map(lambda x: x.shape, model.shapes(config))
    W_E = np.asarray(variables["params"]["W_E"])
    assert 0.5 < W_E.std() * np.sqrt(8) < 1.5
    gradient = jax.grad(lambda v: module.apply(v, tokens).sum())(variables)
    assert jax.tree.structure(gradient) == jax.tree.structure(variables)


def test_parameters_of_another_shape_are_refused():
    module = interop.FlaxTransformer(gj.ModelConfig.of(TASK, d_model=8, num_heads=2))
    other = gj.Run.init(TASK, gj.ModelConfig.of(TASK, d_model=4, num_heads=2), gj.Recipe(), gj.Hyper())
    with pytest.raises(Exception, match="shape"):
        module.apply({"params": other.params}, TASK.table().tokens)
