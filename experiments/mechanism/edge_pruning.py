"""How few edges between components does addition need, and do seeds keep the same ones?

    python -m experiments.mechanism.edge_pruning

Minimal edge sets at a fixed loss, by carry class.

The shared runs (`adder`: --digits 5, --d_model 128, 4 heads, --batch 256, --steps 2500, --seeds 16), last
snapshot. In --problems problems of each carry class every edge is replaced by its value on another problem of
the class, one after another from the least attribution on, as long as the mean loss of the answer stays below
.2 nats. Two runs' sets are compared under the permutation of heads that suits best.
Time: 5 minutes of two cores beside the training of the shared runs (5 minutes); GPU: not measured.

Found: of 37 edges 4.9 are enough without a carry, 9.5 with carries that no 9 follows, 10.8 and 14.0 with one
  and two 9s (16, 16, 16 and 11 of 16 runs; deeper cascades few runs solve to .2 nats at all). All pass the
  MLP; heads to logits directly come in with the second 9, what patterns depend on hardly matters before. Two
  seeds' sets have .78 to .84 in common, random ones .16 to .40.
"""

import itertools
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from experiments.frame import adder, study
from experiments.frame.finding import Answer, Finding, said
from experiments.frame.study import Study
from grokjax import figures, objective
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import edges
from grokjax.run import Run
from grokjax.tasks import sampling

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "problems": 96}
SMALL: dict[str, study.Setting] = {**adder.TINY, "problems": 4}
LIMIT = 0.2
"""Nats, mean over the answer digits."""
KINDS = (
    "patterns (q, k)",
    "values",
    "embedding to MLP",
    "heads to MLP",
    "embedding to logits",
    "heads to logits",
    "MLP to logits",
)


def measure(this: Study) -> Finding:
    """The edges that are left, by carry class, their kinds, and how alike they are."""
    sweep = adder.trained(this)
    kept, loss, whole = minimal_sets(sweep, this["problems"])
    classes = range(kept.shape[1])
    one = sweep.run(0)
    there = edges.exist(one)
    able = loss <= LIMIT
    overlaps = {j: overlap(one, kept[able[:, j], j]) for j in classes}
    table = {j: by_kind(one, kept[able[:, j], j]) for j in classes if able[:, j].any()}
    shown = {
        "": np.stack([table[j].mean(0) if j in table else np.full(len(KINDS), np.nan) for j in classes], 1)
    }
    names: dict[str, Any] = dict(
        rows="kind of edge", columns="carry class", label="share of the edges that are kept", row_names=KINDS
    )
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, decay .1, "
        f"{this['steps']} steps; "
        f"{this['problems']} problems of each class",
        seeds=this.seeds,
        answers=[answer(kept, able, int(there.sum()), overlaps)],
        numbers={
            "edges": int(there.sum()),
            "limit": LIMIT,
            "classes": {
                str(j): dict(
                    runs=int(able[:, j].sum()),
                    kept=kept_edges(kept, able, j),
                    loss_of_all=statistics.mean(whole[:, j].tolist()),
                    **{
                        kind: statistics.mean(list(counts))
                        for kind, counts in zip(KINDS, table.get(j, np.zeros((0, len(KINDS)))).T, strict=True)
                    },
                )
                for j in classes
            },
        },
        plot=figures.matrices(shown, centred=False, square=False, **names),
    )


def minimal_sets(
    sweep: Sweep, problems: int
) -> tuple[Bool[np.ndarray, "S J R U"], Float[np.ndarray, "S J"], Float[np.ndarray, "S J"]]:
    """For every run and carry class the edges that are kept, the loss with them and the loss with all, in the
    last snapshot.
    """
    batch, classes = sampling.stratified(sweep.task, jax.random.key(0), 2 * problems)
    count, size = int(classes.max()) + 1, 2 * problems
    tokens, labels = (x.reshape(count, size, *x.shape[1:]) for x in (batch.tokens, batch.labels))

    def of_run(run: Run) -> Any:
        one = lambda x: _of_class(run, x[0][:problems], x[0][problems:], x[1][:problems])
        return jax.lax.map(one, (tokens, labels))

    found, whole = jax.tree.map(lambda x: x[0], map_epochs(sweep, of_run, sweep.epochs[-1:]))
    return found.kept, found.score, whole


def _of_class(run: Run, tokens: Array, source: Array, labels: Array) -> tuple[edges.Minimal, Array]:
    task, read = run.task, np.asarray(run.task.read)
    score = lambda logits: objective.cross_entropy(objective.by_answer(task, logits[:, read]), labels).mean()
    whole = score(edges.forward(run, tokens, source, jnp.zeros(edges.exist(run).shape)))
    return edges.minimal(run, tokens, source, score, LIMIT), whole


def kinds(run: Run) -> np.ndarray:
    """[kind, R, U]: which edges are of each of KINDS."""
    reads, adds = edges.receivers(run), edges.senders(run)
    reader = {"q": (0,), "k": (0,), "v": (1,), "mlp": (2, 3), "logits": (4, 5, 6)}
    sender = lambda name: 2 if name.endswith("mlp") else 1 if "head" in name else 0
    found = np.zeros((len(KINDS), len(reads), len(adds)), bool)
    for (r, read), (u, add) in itertools.product(enumerate(reads), enumerate(adds)):
        places = reader[read.rpartition(".")[2]]
        found[places[min(sender(add), len(places) - 1)], r, u] = True
    return found & edges.exist(run)


def by_kind(run: Run, kept: Bool[np.ndarray, "S R U"]) -> Float[np.ndarray, "S kind"]:
    """Which share of the edges of each kind a run keeps."""
    of = kinds(run)
    return np.einsum("sru,kru->sk", kept.astype(float), of) / of.sum((1, 2))


def overlap(run: Run, kept: Bool[np.ndarray, "S R U"]) -> tuple[statistics.Interval, statistics.Interval]:
    """Common share (Jaccard) of the sets of neighbouring seeds, at best over permutations of heads, and of
    random sets of these sizes.
    """
    there, random = edges.exist(run), np.random.default_rng(0)
    shuffled = np.zeros_like(kept)
    for row, own in enumerate(kept):
        places = np.argwhere(there)[random.permutation(there.sum())[: own.sum()]]
        shuffled[row][tuple(places.T)] = True
    best = lambda sets: statistics.mean(
        [
            max(float((x & y).sum() / max((x | y).sum(), 1)) for y in permuted(run, other))
            for x, other in itertools.pairwise(sets)
        ]
    )
    return best(kept), best(shuffled)


def permuted(run: Run, kept: Bool[np.ndarray, "R U"]) -> list[np.ndarray]:
    """The same set with the heads of the last layer in every order."""
    reads, adds, layer = edges.receivers(run), edges.senders(run), run.config.num_layers - 1
    found = []
    for order in itertools.permutations(range(run.config.num_heads)):
        named = {f"{layer}.head.{old}": f"{layer}.head.{new}" for old, new in enumerate(order)}
        rows, columns = ([names.index(_renamed(name, named)) for name in names] for names in (reads, adds))
        found.append(kept[rows][:, columns])
    return found


def _renamed(name, named):
    head, rest = ".".join(name.split(".")[:3]), name.split(".")[3:]
    return ".".join([named.get(head, head), *rest])


def kept_edges(kept: np.ndarray, able: np.ndarray, j: int) -> statistics.Interval:
    """Mean number of edges that the runs below the limit keep."""
    return statistics.mean(kept[able[:, j], j].sum((1, 2)).astype(float).tolist())


def answer(kept: np.ndarray, able: np.ndarray, total: int, overlaps: dict[int, Any]) -> Answer:
    """What it says to the notes."""
    numbers = "; ".join(
        f"class {j}: {able[:, j].sum()} of {len(able)} runs, {said(kept_edges(kept, able, j), '.1f')} of "
        f"{total}; "
        f"{said(alike, '.2f')} [{said(chance, '.2f')}]"
        for j, (alike, chance) in overlaps.items()
    )
    return Answer(
        "002-18",
        "circuits with edge pruning",
        f"runs that can be held below {LIMIT} nats, edges that are left there, common share of two seeds' "
        "sets [of random ones]",
        numbers,
        "built: python -m experiments.mechanism.edge_pruning",
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
