"""What uniform frozen attention without an MLP can know of the leading answer digit: logits additive in the
counts of the digits.
"""

import numpy as np

from grokjax.theory import experts, multisets


def leading_digit(base: int, num_digits: int) -> experts.Bound:
    """The least loss (nats) of the leading digit from logits `Σ_d count_d f(d, z)`, each digit counted over
    both operands.

    Raises ValueError where the multisets of digits are too many to enumerate.
    """
    if not multisets.countable(base, num_digits):
        raise ValueError(
            f"base={base}, num_digits={num_digits}: there are too many multisets of digits to enumerate"
        )
    counts = multisets.multisets(base, 2 * num_digits)
    carry = np.clip(multisets.carries(base, 2 * num_digits)[:, -1], 0, 1)
    joint = multisets.weights(counts)[:, None] * np.stack([1 - carry, carry], axis=1)
    return experts.linear(counts.astype(float), joint / joint.sum())
