"""Released models as runs, and what their npz files hold beside the weights."""

import jax
import jax.numpy as jnp
import numpy as np

from grokjax import interop
from grokjax.interop import orientation

RAW = {
    "modadd_wd0p1": "wd_10-1_mod_addition_loss_curve.pth",
    "adder5_d128": "5_digit_addition_infinite.pth",
    "induction_infinite": "induction_head_infinite.pth",
}


def run(folder, name):
    """The run of a released model, and the arrays of the same name."""
    return interop.nanda(folder / "raw" / RAW[name]), np.load(folder / f"{name}.npz")


def parameters(torch, *, num_heads, num_positions):
    """Our nested dict from arrays by torch name, without the prefix `param.` (weights that no .pth holds)."""
    params = orientation.from_columns(torch).params
    assert params["blocks"][0]["W_V"].shape[1] == num_heads
    return jax.tree.map(jnp.asarray, params | {"W_pos": params["W_pos"][:num_positions]})
