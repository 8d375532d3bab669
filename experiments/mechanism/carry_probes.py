"""Do attention and MLP compute the carries, and does a linear probe that reads them off show it?

    python -m experiments.mechanism.carry_probes

5-digit addition in sequence mode, most significant digit first: the runs of `experiments.frame.adder`,
--seeds 16. Probes for the carry into each column, at the position that predicts the answer digit of that
column, fitted on 3/4 of --size 4096 problems and scored on the rest: accuracy and control task with logistic
probes, correlation ratio (over training of --few 1024) and directions with least squares. Edits of --edits
256 other problems.
Time: 5 min on two cores that others used too; GPU: not measured.

A carry is a linear threshold of the digits, so place-value weights on one-hot tokens, or attention that looks
the same way at every problem, allow a linear probe to be always right: accuracy cannot tell whether a carry
has been computed. The correlation ratio (how much of the variance of the probe's output lies between carry
and no carry) can: it is at most .667 for what is linear in the tokens, and 1 for a carry.

Found: probes are right in .993 of the cases at both sites, and in .92 where the column below sums to 9;
  one-hot tokens alone allow .987, and resid_mid with attention held .977. The ratio stays at .667 with
  attention held, is .83 at resid_mid and .93 at resid_post: attention, by where it looks, makes half of a
  carry, the MLP most of the rest. Moving resid_mid by the difference of the class means turns 95% of the
  answers (a random step: 13%); moving it along the probe's own direction turns 1%: what a probe looks at is
  not what the MLP reads. The probes' directions at the two sites have nothing in common (cosine .07; two fits
  at one site .79 and .88), the class means have (.52).
"""

import functools
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from experiments.frame import adder, study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import activations, attention, directions, probes
from grokjax.interp.addition import carry_edits, evaluation_sets, features
from grokjax.run import Run

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "size": 4096, "few": 1024, "edits": 256}
SMALL: dict[str, study.Setting] = {**adder.TINY, "size": 96, "few": 64, "edits": 32}
SHARE = 0.75
"""Of the problems, for training."""
SITES = ("resid_mid", "resid_post")
HELD, SUM = "resid_mid, attention held", "sum of embeddings"
STREAM = (SITES[0], "mlp_out", SITES[1])
SOURCES = (*STREAM, HELD, SUM)
TRAINING = "correlation ratio, training"
"""A panel's title."""
ABOVE = 0.99
KEY = 7


class Read(NamedTuple):
    """What probes for one carry find in one place; the shares are balanced accuracies on problems left out of
    the fit.
    """

    accuracy: Array
    propagating: Array
    """On the problems whose column below sums to 9, so that neither of its digits tells."""
    control: Array
    ratio: Array


class Compared(NamedTuple):
    """Of one carry: how alike its directions are at the two sites, and what edits along them do."""

    alike: directions.Alike
    turned: dict[str, carry_edits.Flips]


def measure(this: Study) -> Finding:
    """Probes in every place, what they share, and edits along them."""
    sweep = adder.trained(this)
    drawn = evaluation_sets.drawn(sweep.task, this["size"], seed=1)
    few, fewest = (
        evaluation_sets.drawn(sweep.task, this["few"], seed=1),
        evaluation_sets.drawn(sweep.task, this["edits"], seed=2),
    )
    last = sweep.epochs[-1:]
    limit = of_tokens(sweep, drawn)
    reads = jax.tree.map(lambda x: x[0], map_epochs(sweep, functools.partial(read, drawn), last))
    compared = jax.tree.map(
        lambda x: x[0], map_epochs(sweep, functools.partial(compare, drawn, fewest), last)
    )
    ratios = map_epochs(sweep, functools.partial(by_least_squares, few))
    panels = pictured(sweep, limit, reads, compared, ratios)
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"{this['layers']} layer, width {this['d_model']}, 4 heads, batch {this['batch']}, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=answers(sweep, limit, reads, compared),
        numbers=numbers(sweep, limit, reads, compared, ratios),
        plot=figures.points(
            panels,
            xlabel={title: "step" if title == TRAINING else "column (units 0)" for title in panels},
            ylabel="",
            sharey=False,
            levels={
                title: [("linear", linear_limit(sweep.task.base))] for title in panels if "ratio" in title
            },
        ),
    )


def linear_limit(base: int) -> float:
    """The correlation ratio of the best linear function of one-hot digits with the carry out of a column
    without one into it.
    """
    share = (base - 1) / (2 * base)
    return float(2 * np.var(np.arange(base) / base) / (share * (1 - share)))


def columns(task: Any) -> range:
    """The columns that a carry can go into."""
    return range(1, task.num_digits + 1)


def labels(task: Any, drawn: evaluation_sets.Problems) -> tuple[Array, Array, Array]:
    """Of each column [n, B]: the carry into it, whether the column below propagates, and a random class of
    that column's pair.
    """
    stack = lambda function, shift: jnp.stack([function(drawn, task.base, k - shift) for k in columns(task)])
    return stack(features.carry, 0), stack(features.propagates, 1), stack(features.control, 1)


def own(task: Any) -> tuple[int, ...]:
    """The position that predicts the answer digit of each column."""
    return tuple(task.read[task.columns.index(k)] for k in columns(task))


def in_place(activation: Float[Array, "B D"], carry: Array, propagates: Array, control: Array) -> Read:
    """What probes for one carry find in one place."""
    train = probes.split(jax.random.key(KEY), len(carry), SHARE)

    def fitted(fit, classes):
        return fit(activation, jax.nn.one_hot(classes, 2), weights=probes.balanced(2, classes, weights=train))

    scored = lambda probe, classes, among: probes.score(probe, activation, classes, weights=among)
    firm = fitted(probes.logistic, carry)
    return Read(
        scored(firm, carry, ~train).balanced,
        scored(firm, carry, ~train & (propagates == 1)).balanced,
        scored(fitted(probes.logistic, control), control, ~train).balanced,
        scored(fitted(probes.ridge, carry), carry, ~train).correlation_ratio,
    )


def of_tokens(sweep: Sweep, drawn: evaluation_sets.Problems) -> Read:
    """The same of one-hot tokens, columns [n]: what no run is needed for."""
    hot = activations.visible_tokens(sweep.run(0), jnp.asarray(drawn.tokens), own(sweep.task))
    return jax.device_get(
        jax.jit(lambda *each: jax.lax.map(lambda one: in_place(*one), each))(hot, *labels(sweep.task, drawn))
    )


def read(drawn: evaluation_sets.Problems, run: Run) -> Read:
    """Of one run, [SOURCES, n]."""
    at, tokens = own(run.task), jnp.asarray(drawn.tokens)
    held = attention.held(attention.patterns(run, tokens))
    stream = activations.stacked(run, tokens, at, at=[f"blocks.0.{name}" for name in STREAM])
    mid = activations.stacked(run, tokens, at, at=["blocks.0.resid_mid"], edits=held)
    found = jnp.concatenate([stream, mid, activations.visible_embedding_sum(run, tokens, at)[None]])
    each = labels(run.task, drawn)
    return jax.lax.map(lambda source: jax.lax.map(lambda one: in_place(*one), (source, *each)), found)


def by_least_squares(drawn: evaluation_sets.Problems, run: Run) -> Float[Array, "sites n"]:
    """The correlation ratio at both sites, cheap enough for every epoch."""
    at = [f"blocks.0.{site}" for site in SITES]
    stream = activations.stacked(run, jnp.asarray(drawn.tokens), own(run.task), at=at)
    carry = labels(run.task, drawn)[0]
    one = lambda activation, classes: (
        probes.held_out(2, activation, classes, jax.random.key(KEY), share=SHARE)[1].correlation_ratio
    )
    return jax.lax.map(lambda site: jax.vmap(one)(site, carry), stream)


def compare(drawn: evaluation_sets.Problems, few: evaluation_sets.Problems, run: Run) -> Compared:
    """Of one run: directions at the two sites, [n] each."""
    at = [f"blocks.0.{site}" for site in SITES]
    stream = activations.stacked(run, jnp.asarray(drawn.tokens), own(run.task), at=at)
    carry = labels(run.task, drawn)[0]
    alike = jax.vmap(directions.alike, (0, 0, 0, None))(stream[0], stream[1], carry, jax.random.key(KEY))
    fresh = activations.stacked(run, jnp.asarray(few.tokens), own(run.task), at=at)
    turned = [
        edits(run, few, k, stream[:, i], fresh[:, i], carry[i]) for i, k in enumerate(columns(run.task))
    ]
    return Compared(alike, jax.tree.map(lambda *leaves: jnp.stack(leaves), *turned))


def edits(
    run: Run,
    few: evaluation_sets.Problems,
    digit: int,
    stream: Array,
    fresh: Array,
    carry: Array,
) -> dict:
    """What becomes of the answer digit when the carry into it is turned round at each site, and when as long
    a step goes elsewhere.
    """
    found, classes = {}, features.carry(few, run.task.base, digit)
    weights = probes.balanced(2, carry)
    for site, x, activation in zip(SITES, stream, fresh, strict=True):
        means = probes.class_means(2, x, carry)
        probe = probes.ridge(x, jax.nn.one_hot(carry, 2), weights=weights)
        step = means[:, 1] - means[:, 0]
        random = jax.random.normal(jax.random.key(digit), step.shape)
        ways = jnp.stack(
            [
                directions.moved(step, classes, activation),
                directions.moved(
                    random * jnp.linalg.norm(step) / jnp.linalg.norm(random), classes, activation
                ),
                directions.reflected(probe, directions.direction(means), activation),
                directions.reflected(probe, directions.direction(probe.W), activation),
            ]
        )
        effect = jax.vmap(
            lambda edited, site=site: carry_edits.flips(run, few, edited, digit, site=f"blocks.0.{site}")
        )(ways)
        for i, way in enumerate(("class means", "random", "reflected along means", "reflected along probe")):
            found[f"{site}, {way}"] = jax.tree.map(lambda leaf, i=i: leaf[i], effect)
    return found


def each(values: ArrayLike) -> list[statistics.Interval]:
    """The mean over runs of each column."""
    return [statistics.mean(column[np.isfinite(column)]) for column in np.asarray(values, float).T]


def whole(values: ArrayLike) -> statistics.Interval:
    """The mean over runs of the mean over columns."""
    of_run = np.asarray(values, float).mean(1)
    return statistics.mean(of_run[np.isfinite(of_run)])


def pictured(
    sweep: Sweep, limit: Read, reads: Read, compared: Compared, ratios: np.ndarray
) -> dict[str, dict[str, figures.Points]]:
    """The panels: what probes read off each place, at the end and over training, what the directions share,
    what edits do.
    """
    at, steps = list(columns(sweep.task)), [sweep.steps(epoch) for epoch in sweep.epochs]
    point = lambda values: figures.Points(at, each(values))
    panels = {}
    for field, title in {
        "accuracy": "accuracy",
        "propagating": "accuracy, sum of 9 below",
        "ratio": "correlation ratio",
    }.items():
        exact = figures.Points(at, [(float(x), None, None) for x in getattr(limit, field)])
        panels[title] = {"tokens, one-hot": exact} | {
            name: point(getattr(reads, field)[:, SOURCES.index(name)]) for name in (HELD, *SITES)
        }
    panels[TRAINING] = {
        site: figures.Points(steps, [whole(epoch[:, j]) for epoch in ratios]) for j, site in enumerate(SITES)
    }
    panels["cosine of two fits"] = {
        **{site: point(compared.alike.probes[:, :, i, i]) for i, site in enumerate(SITES)},
        "resid_mid and resid_post": point(across(compared.alike.probes)),
    }
    panels["answers turned by an edit"] = {
        **{site: point(compared.turned[f"{site}, class means"].flipped) for site in SITES},
        "resid_mid, elsewhere": point(compared.turned["resid_mid, random"].flipped),
    }
    return panels


def numbers(sweep: Sweep, limit: Read, reads: Read, compared: Compared, ratios: np.ndarray) -> dict[str, Any]:
    """Means over runs, by column from 1 on."""
    found: dict[str, Any] = {"tokens, one-hot": limit._asdict()}
    found |= {
        name: {field: each(getattr(reads, field)[:, i]) for field in Read._fields}
        for i, name in enumerate(SOURCES)
    }
    for kind, table in compared.alike._asdict().items():
        found[f"alike, {kind}"] = {
            f"{one} to {other}": whole(table[:, :, i, j])
            for i, one in enumerate(SITES)
            for j, other in enumerate(SITES)
        }
    found["edits"] = {
        name: {field: whole(getattr(flips, field)) for field in flips._fields}
        for name, flips in compared.turned.items()
    }
    found["edits turned"] = {name: each(flips.flipped) for name, flips in compared.turned.items()}
    found["ratio by step"] = {
        site: {sweep.steps(epoch): whole(ratios[i, :, j]).value for i, epoch in enumerate(sweep.epochs)}
        for j, site in enumerate(SITES)
    }
    return found


def across(table: Any) -> np.ndarray:
    """Of cosines [S, n, 2, 2] those between the two sites, [S, n]."""
    return np.asarray(table[:, :, 0, 1] + table[:, :, 1, 0]) / 2


def extracted(ratio: statistics.Interval, base: int) -> statistics.Interval:
    """How far on the way from linear in the tokens (0) to a carry (1) a correlation ratio is."""
    limit = linear_limit(base)
    return statistics.Interval(*(None if x is None else (x - limit) / (1 - limit) for x in ratio))


def answers(sweep: Sweep, limit: Read, reads: Read, compared: Compared) -> list[Answer]:
    """What it says to the notes."""
    source = {name: jax.tree.map(lambda x, i=i: x[:, i], reads) for i, name in enumerate(SOURCES)}
    base, runs = sweep.task.base, reads.accuracy.shape[0]
    above = {site: source[site].accuracy > ABOVE for site in SITES}
    listed = lambda values: ", ".join(said(x, ".3f") for x in each(values))
    enough = {site: counted(int(found.sum()), found.size) for site, found in above.items()}
    deep = {site: said(whole(source[site].propagating[:, 1:]), ".3f") for site in SITES}
    select = {site: said(whole(source[site].accuracy - source[site].control), ".3f") for site in SITES}
    way = {site: extracted(whole(source[site].ratio), base) for site in (*SITES, HELD)}
    most = all(found.mean() > 0.5 for found in above.values())
    alike = jax.tree.map(np.asarray, compared.alike)
    between, within, within_post = (
        whole(x) for x in (across(alike.probes), alike.probes[:, :, 0, 0], alike.probes[:, :, 1, 1])
    )
    gap = [
        statistics.mean(((x[:, :, 0, 0] + x[:, :, 1, 1]) / 2 - across(x)).mean(1))
        for x in (alike.probes, alike.means)
    ]
    turned = {name: said(whole(flips.flipped), ".3f") for name, flips in compared.turned.items()}
    return [
        Answer(
            "002-04",
            "Linear Classifier for Carry Digits from 1) resid_mid and 2) resid_post",
            "balanced accuracy on problems left out, carry into columns 1, 2, ..., at the position that "
            "predicts that digit",
            "; ".join(f"{site} {listed(source[site].accuracy)}" for site in SITES),
            "built: python -m experiments.mechanism.carry_probes",
        ),
        Answer(
            "002-05",
            "predict the carry with > 99% accuracy",
            "runs × columns with balanced accuracy above .99; where the column below sums to 9; selectivity "
            "(accuracy − control task); "
            "the same probe on nothing but one-hot tokens",
            "; ".join(f"{site} {enough[site]}, {deep[site]}, {select[site]}" for site in SITES)
            + f"; tokens {np.mean(limit.accuracy):.3f}, {np.mean(limit.propagating[1:]):.3f}, "
            f"{np.mean(limit.accuracy - limit.control):.3f}",
            decodable(
                most, [statistics.mean(np.asarray(source[site].propagating)[:, 1:].mean(1)) for site in SITES]
            ),
        ),
        Answer(
            "002-06",
            "Attention already extracts carry digits feature",
            "correlation ratio of the probe with the carry, as the way from linear in the tokens (0, ratio "
            ".667) to a carry (1): "
            "resid_mid, resid_mid with every attention pattern held at its mean, resid_post; balanced "
            "accuracy with patterns held, "
            "from the sum of the embeddings; answers that turn with an edit along the class means at "
            "resid_mid, at resid_post (as long "
            "a step along a random direction; resid_mid along the probe's own direction)",
            f"{said(way['resid_mid'], '.2f')}, {said(way[HELD], '.2f')}, {said(way['resid_post'], '.2f')}; "
            f"{said(whole(source[HELD].accuracy), '.3f')}, {said(whole(source[SUM].accuracy), '.3f')}; "
            f"{turned['resid_mid, class means']}, {turned['resid_post, class means']} "
            f"({turned['resid_mid, random']}, "
            f"{turned['resid_post, random']}; {turned['resid_mid, reflected along probe']})",
            extraction(way["resid_mid"]),
        ),
        Answer(
            "002-07",
            "different basis … carry digits basis vectors do not align",
            "cosine of the probes' directions at resid_mid and resid_post, fitted on different halves; of "
            "two halves at resid_mid, at "
            "resid_post; at random .07; mid and post between class means; accuracy of the resid_mid probe "
            "at resid_post, with a new "
            "threshold",
            f"{said(between, '.2f')}; {said(within, '.2f')}, {said(within_post, '.2f')}; "
            f"{said(whole(across(alike.means)), '.2f')}; {said(whole(alike.transfer[:, :, 0, 1]), '.3f')}, "
            f"{said(whole(alike.direction_only[:, :, 0, 1]), '.3f')}; {runs} runs",
            alignment(gap, between),
        ),
    ]


def decodable(most: bool, propagating: list[statistics.Interval]) -> str:
    """The verdict on the accuracy: for most runs and columns, and whether where only the columns further down
    tell.
    """
    said_so = (
        "confirmed: at both sites in most runs and columns"
        if most
        else "refuted: not at both sites in most runs and columns"
    )
    short = all(one.high is not None and one.high < ABOVE for one in propagating)
    return said_so + (", but not where the column below sums to 9" if most and short else "")


def extraction(way: statistics.Interval) -> str:
    """The verdict on whether resid_mid holds the carry itself, as more than half of the way to it."""
    if way.low is None or way.high is None:
        return "open: too few runs to tell"
    if way.low > 0.5:
        return "confirmed: more than half of the way, though accuracy would say so of any sum of tokens"
    if way.high < 0.5:
        return (
            f"refuted: {'a part' if way.low > 0 else 'nothing'} of it; what a probe reads there is mostly "
            "linear in the tokens"
        )
    return "open: about half of the way from a sum of tokens to a carry; more runs would tell on which side"


def alignment(gap: list[statistics.Interval], between: statistics.Interval) -> str:
    """The verdict on whether the two sites have different directions: less alike than two fits at one site,
    for probes and for means.
    """
    if any(one.low is None or one.high is None for one in gap) or between.high is None:
        return "open: too few runs to tell"
    apart = [one.low is not None and one.low > 0 for one in gap]
    if all(apart):
        related = between.low is not None and between.low > 0.3
        return "confirmed: they differ by more than fitting anew does" + (
            ", though far from unrelated" if related else ""
        )
    return (
        "refuted: no more than fitting anew does"
        if not any(apart)
        else "open: probes and class means disagree"
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
