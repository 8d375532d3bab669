"""Groups: tables that compose permutations, the released order of elements, orthogonal characters."""

import jax
import numpy as np
import pytest

from grokjax import tasks
from grokjax.tasks import GroupComposition, characters, permutations

NAMES = ["C2", "C7", "C12", "D3", "D6", "A3", "A4", "A5", "S2", "S3", "S4", "S5", "S6"]


@pytest.mark.parametrize("name", NAMES)
def test_a_table_composes_the_permutations_x_first(name):
    group = permutations.group(name)
    elements, table = group.elements, group.table
    assert len({tuple(row) for row in elements.tolist()}) == group.order
    x, y, z = np.random.default_rng(0).integers(group.order, size=(3, 200))
    assert (elements[table[x, y]] == np.take_along_axis(elements[y], elements[x], 1)).all()
    assert (table[table[x, y], z] == table[x, table[y, z]]).all()
    assert (table[x, group.inverses[x]] == group.identity).all() and (
        table[group.identity] == range(group.order)
    ).all()
    matrices = group.matrices[:, :, :]
    assert (matrices[x] @ matrices[y] == matrices[table[x, y]]).all()
    assert (group.signs[table[x, y]] == group.signs[x] * group.signs[y]).all()
    conjugate = table[table[y, x], group.inverses[y]]
    assert (group.classes[conjugate] == group.classes[x]).all()


@pytest.mark.parametrize(
    "name, number", [("C7", 7), ("D6", 6), ("D7", 5), ("A4", 4), ("A5", 5), ("S4", 5), ("S6", 11)]
)
def test_characters_are_orthonormal_and_as_many_as_classes(name, number):
    group = permutations.group(name)
    table = characters.table(group)
    sizes = np.bincount(group.classes)
    assert table.shape == (number, number) == (len(sizes), len(sizes))
    np.testing.assert_allclose((table * sizes) @ table.conj().T, np.eye(number) * group.order, atol=1e-6)
    dimensions = table[:, group.classes[group.identity]].real
    np.testing.assert_allclose(dimensions, dimensions.round(), atol=1e-8)
    parts = characters.real(group)
    assert (parts.dimensions**2 * parts.multiplicities).sum() == group.order
    kernels = parts.dimensions[:, None, None] / group.order * parts.values[:, group.table[:, group.inverses]]
    np.testing.assert_allclose(kernels @ kernels, kernels, atol=1e-9)  # each a projection
    np.testing.assert_allclose(kernels.sum(0), np.eye(group.order), atol=1e-9)


def test_known_representations_have_their_names():
    assert characters.real(permutations.group("C6")).names == ("trivial", "sign", "freq_1", "freq_2")
    assert characters.real(permutations.group("D5")).names == ("trivial", "sign", "freq_1", "freq_2")
    assert characters.real(permutations.group("S4")).names == (
        "trivial",
        "sign",
        "standard",
        "standard_sign",
        "s4_2d",
    )
    assert characters.real(permutations.group("A5")).names == (
        "trivial",
        "standard",
        "a5_3d_a",
        "a5_3d_b",
        "a5_5d_a",
    )


def test_dihedral_elements_are_rotations_then_reflections():
    table = permutations.group("D5").table
    rotate, reflect = np.arange(10) % 5, np.arange(10) // 5
    for x in range(10):
        for y in range(10):
            turn = rotate[y] if not reflect[x] else -rotate[y]
            assert table[x, y] == (rotate[x] + turn) % 5 + 5 * ((reflect[x] + reflect[y]) % 2)


def test_s5_is_numbered_and_named_as_in_the_released_models(reference):
    arrays = np.load(reference / "reptheory_S5_T_seed1.npz")
    group = permutations.group("S5")
    np.testing.assert_array_equal(group.elements, arrays["group.elements"])
    np.testing.assert_array_equal(group.table, arrays["group.table"])
    np.testing.assert_array_equal(group.inverses, arrays["group.inverse"])
    assert group.identity == 20
    parts = characters.real(group)
    assert parts.names == tuple(arrays["group.irrep_names"])
    np.testing.assert_array_equal(parts.dimensions, arrays["group.dims"])
    np.testing.assert_allclose(parts.values, arrays["group.characters"], atol=1e-9)


def test_composition_is_a_task_with_every_pair():
    task = GroupComposition("S4")
    assert isinstance(task, tasks.Task)
    tokens, labels = task.table()
    assert tokens.shape == (576, 3) and (tokens[:, 2] == 24).all() and task.num_outputs == 24
    assert (labels[:, 0] == task.elements.table[tokens[:, 0], tokens[:, 1]]).all()
    assert GroupComposition("C7", outputs="tokens").num_outputs == 8
    cyclic = GroupComposition("C7").table()
    assert (cyclic.labels[:, 0] == cyclic.tokens[:, :2].sum(1) % 7).all()
    assert task.batch(jax.random.key(0), 5).tokens.shape == (5, 3)
    assert tasks.exact_levels(task) == {0: [("nothing", pytest.approx(np.log(24)))]}
    x, y = (int((task.elements.elements == row).all(1).argmax()) for row in ([1, 2, 0, 3], [1, 0, 2, 3]))
    row = 24 * x + y
    assert task.show(tokens[row], labels[row]) == "(0 1 2) * (0 1) = (1 2)"


@pytest.mark.parametrize("name", ["S7", "S1", "D2", "Q8", "s5", "C0", "C1001", "S5x", "", "A200"])
def test_other_groups_are_refused_with_what_is_allowed(name):
    with pytest.raises(ValueError, match=f"group='{name}' "):
        GroupComposition(name)
