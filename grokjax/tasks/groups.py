"""Composition in finite groups: x * y for every pair of elements, x applied first."""

import dataclasses

import numpy as np
from jaxtyping import Array, Int

from grokjax.config import at_least, one_of
from grokjax.config.annotations import require_types
from grokjax.tasks import exact, pairs, permutations
from grokjax.tasks.protocol import Levels
from grokjax.tasks.vocabulary import Batch


@dataclasses.dataclass(frozen=True)
class GroupComposition(pairs.PairTask):
    """Tokens x, y and `=` (the last id); the index of x * y is predicted at the last position.

    The table has every pair once, in row order (x, then y).

    group: C113 cyclic, D7 dihedral (14 elements), A5 alternating, S5 symmetric; at most 1000 elements. The
      elements have the order of the released group models, see `permutations.group`
    batch_size: examples of a step; None takes the whole training set, as in the papers
    outputs: elements | tokens: logits for the elements, as in the released models, or for all tokens
    equals: False leaves `=` out, the answer is predicted at y
    two_vocabularies: y has ids of its own
    """

    group: str = "S5"
    batch_size: int | None = None
    outputs: str = "elements"
    equals: bool = True
    two_vocabularies: bool = False

    def __post_init__(self):
        require_types(self)
        permutations.group(self.group)
        one_of("outputs", self.outputs, ("elements", "tokens"))
        if self.batch_size is not None:
            at_least("batch_size", self.batch_size, 1)

    @property
    def elements(self) -> permutations.Group:
        """The group: its permutations, table, inverses, classes."""
        return permutations.group(self.group)

    @property
    def num_symbols(self) -> int:
        """The number of elements."""
        return self.elements.order

    def table(self) -> Batch:
        """Every example as numpy arrays: tokens [n², P], labels [n², 1]."""
        x, y = pairs.every(self)
        return pairs.table(self, x, y, self.elements.table[x, y])

    def exact_levels(self) -> Levels:
        """The loss of knowing nothing; one operand alone tells nothing of the product."""
        return exact.pairs(self.table())

    def show(self, tokens: Int[Array, " P"], labels: Int[Array, " 1"] | None = None) -> str:
        """The text of one example, "(0 1 2) * (0 1) = (0 2)", in cycles; `labels` adds the answer."""
        x, y = pairs.operands(self, np.asarray(tokens))
        text = f"{self._cycles(int(x))} * {self._cycles(int(y))} ="
        return text if labels is None else f"{text} {self._cycles(int(labels[0]))}"

    def _cycles(self, element: int) -> str:
        permutation, seen, found = self.elements.elements[element].tolist(), set(), []
        for start in range(len(permutation)):
            cycle, at = [], start
            while at not in seen:
                seen.add(at)
                cycle.append(at)
                at = permutation[at]
            if len(cycle) > 1:
                found.append(f"({' '.join(map(str, cycle))})")
        return "".join(found) or "()"
