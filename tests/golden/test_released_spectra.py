"""The neurons of the released modular adder: each one's frequency and share of it, as they were published."""

import jax.numpy as jnp
import numpy as np
import released

from grokjax.interp import fourier


def test_each_neuron_has_the_published_frequency(reference):
    run, arrays = released.run(reference, "modadd_wd0p1")
    post = run.cache(jnp.asarray(run.task.table().tokens))["blocks.0.mlp.post"][:, 2]
    explained = fourier.explained(post.reshape(113, 113, 512))
    np.testing.assert_array_equal(explained.argmax(0) + 1, arrays["metric.neuron_freq"])
    np.testing.assert_allclose(explained.max(0), arrays["metric.neuron_frac_explained"], atol=1e-4)
