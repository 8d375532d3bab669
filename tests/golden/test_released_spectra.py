"""The neurons of the released modular adder: each one's frequency and how much of it that explains, as they
were published.
"""

import jax.numpy as jnp
import numpy as np
import released

import grokjax as gj
from grokjax.interp import activations, fourier


def test_each_neuron_has_the_published_frequency(reference):
    arrays = np.load(reference / "modadd_wd0p1.npz")
    torch = {name.removeprefix("param."): arrays[name] for name in arrays.files if name.startswith("param.")}
    task = gj.ModularArithmetic(modulus=113)
    params = released.parameters(torch, num_heads=4, num_positions=3)
    post = activations.cached(gj.presets.nanda(task)[0], params, jnp.asarray(task.table().tokens))[1][
        "blocks.0.mlp.post"
    ][:, 2]
    explained = fourier.explained(post.reshape(113, 113, 512))
    np.testing.assert_array_equal(explained.argmax(0) + 1, arrays["metric.neuron_freq"])
    np.testing.assert_allclose(explained.max(0), arrays["metric.neuron_frac_explained"], atol=1e-4)
