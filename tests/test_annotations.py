"""A field of settings that does not hold what its annotation says is refused by name."""

import dataclasses

import numpy as np
import pytest

import grokjax as gj
from grokjax.config.annotations import require_types


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: gj.Addition(leading="x"), "leading='x' must be True or False"),
        (lambda: gj.Addition(carry=None), "carry=None must be True or False"),
        (lambda: gj.ModularArithmetic(modulus=5, equals=2), "equals=2 must be True or False"),
        (lambda: gj.GroupComposition(two_vocabularies=[]), r"two_vocabularies=\[\] must be True or False"),
        (lambda: gj.ModelConfig(mlp="no"), "mlp='no' must be True or False"),
        (lambda: gj.ModelConfig(base="x"), "base='x' must be an integer"),
        (lambda: gj.Addition(num_digits=10**12), "num_digits=1000000000000 must be an integer of at most"),
        (lambda: gj.Recipe(stop_below="x"), "stop_below='x' must be a number"),
        (lambda: gj.Recipe(stop_below=float("nan")), "stop_below=nan must be a number"),
    ],
)
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(ValueError, match=rf"^{words}[^\n]*$"):
        make()


def test_what_fits_is_taken():
    assert gj.ModelConfig(mlp=np.bool_(False)).mlp == np.bool_(False)
    assert gj.Recipe(stop_below=np.float32(0.5)).stop_below == 0.5
    assert gj.Addition(lengths=(1, 2), num_digits=2).lengths == (1, 2)


def test_annotations_that_only_a_function_knows_are_left_alone():
    class Local:
        pass

    @dataclasses.dataclass
    class Own:
        thing: "Local"

    require_types(Own(3))
