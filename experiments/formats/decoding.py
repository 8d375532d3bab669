"""Are the answer digits predicted one after the other or separately, and what is the loss a mean of?

    python -m experiments.formats.decoding

Right, own and random prefixes.

--digits 3, most significant first, --d_model 64 with 4 heads, --batch 128, decay .5, --steps 2500, --seeds
24: sequence mode, the same without the leading answer digit (one loss term less), the same with logits for
all 12 tokens, and all digits at once at `=`. In sequence mode each digit of --size 2000 problems is predicted
after the right answer digits (as in training), after the run's own, and after random ones, the leading of
them 0 or 1; intervals hold the errors of runs and of problems. Adam does not see a constant factor on the
loss but for its eps: with eps divided by the number of terms, the mean is trained as their sum would be. With
12 logits the mass on `+` and `=` is followed beside the loss among the digits alone.
Time: 8 minutes on two cores; GPU: not measured.
"""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from experiments.formats.decoding_answers import PREFIXES, Zeroth, scoring, sequentially, zeroth
from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.study import Study
from grokjax import figures, tasks
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp.addition import evaluation_sets, predictions
from grokjax.run import Run

DEFAULTS: dict[str, study.Setting] = {
    "digits": 3,
    "d_model": 64,
    "batch": 128,
    "steps": 2500,
    "size": 2000,
    "seeds": 24,
}
LARGE: dict[str, study.Setting] = {"digits": 5, "d_model": 128, "batch": 256, "steps": 5000, "seeds": 32}
SMALL: dict[str, study.Setting] = {
    "digits": 1,
    "d_model": 8,
    "batch": 16,
    "steps": 100,
    "size": 50,
    "seeds": 2,
}
EPS = 1e-8
BEFORE = 300
"""Steps of the runs with 12 logits, at most."""


def measure(this: Study) -> Finding:
    """Accuracies after each kind of prefix, beside those of parallel answers; the losses of the other
    formats.
    """
    options = {name: this[name] for name in ("digits", "d_model", "batch")}
    terms = this["digits"] + 1
    sequence = this.sweep("sequence", eps=[EPS, EPS / terms], save="every:5", **options)
    shorter, parallel = (
        this.sweep("without_leading", leading=False, **options),
        this.sweep("parallel", mode="parallel", **options),
    )
    tokens = this.sweep(
        "all_tokens",
        outputs="tokens",
        save="every:1",
        epoch_steps=10,
        **{**options, "steps": min(this["steps"], BEFORE)},
    )
    average, total = (np.isclose(sequence.hypers.eps, eps, rtol=0.01, atol=0) for eps in (EPS, EPS / terms))
    right = after_prefixes(this, sequence)[:, average]
    exact = {
        "sequence": sequence.metrics["test_exact_match"][average][:, -1],
        "parallel": parallel.metrics["test_exact_match"][:, -1],
        "without leading digit": shorter.metrics["test_exact_match"][:, -1],
    }
    loss = sequence.metrics["loss"].mean(-1)
    return Finding(
        task=f"{this['digits']}-digit addition: sequence mode (msb), without leading digit, with 12 "
        "outputs, parallel answers",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, decay .5, {this['steps']} "
        "steps",
        seeds=this.seeds,
        answers=[
            *scoring(loss[average], loss[total], exact["without leading digit"] - exact["sequence"]),
            sequentially(right[-1], exact["sequence"] - exact["parallel"]),
            zeroth(of_all_tokens(this, tokens)),
        ],
        numbers={
            "exact_match_at_the_end": {name: statistics.mean(values) for name, values in exact.items()},
        },
        plot=pictured(right.mean(3), [sequence.steps(epoch) for epoch in sequence.epochs]),
    )


def pictured(shares: Float[np.ndarray, "E S prefix C"], steps: list[int]) -> figures.Plot:
    """A panel for each digit, the leading one first."""
    terms = shares.shape[-1]
    panels = {
        f"digit {terms - 1 - place}": {
            prefix: figures.Points(steps, [statistics.mean(values) for values in shares[:, :, i, place]])
            for i, prefix in enumerate(PREFIXES)
        }
        for place in range(terms)
    }
    return figures.points(panels, xlabel="optimiser step", ylabel="share of right answers", legend="prefix")


def after_prefixes(this: Study, sweep: Sweep) -> Bool[np.ndarray, "E S prefix B C"]:
    """Whether each answer is right, in reading order, after each of `PREFIXES`."""
    drawn = evaluation_sets.drawn(sweep.task, this["size"])
    batch = sweep.task.encode(drawn.a, drawn.b)
    places = jnp.asarray(sweep.task.read[1:], int)
    # the leading digit is 0 or 1, and the first that is visible
    legal = jnp.where(jnp.arange(len(places)) == 0, 2, sweep.task.base)
    other = batch.tokens.at[:, places].set(
        jax.random.randint(jax.random.key(0), (this["size"], len(places)), 0, legal)
    )

    def correct(run: Run) -> Any:
        given = [
            run.logits(batch.tokens).argmax(-1),
            tasks.decode(run.logits, run.task, batch).answers,
            run.logits(other).argmax(-1),
        ]
        return jnp.stack([answers == batch.labels for answers in given])

    return map_epochs(sweep, correct)


def of_all_tokens(this: Study, sweep: Sweep) -> Zeroth:
    """The mass outside the digits, and the loss among them, of a digit that starts at ln 10."""
    drawn = evaluation_sets.drawn(sweep.task, this["size"])
    answer, tokens = jnp.asarray((drawn.a + drawn.b)[:, 0] % sweep.task.base), jnp.asarray(drawn.tokens)

    def both(run: Run) -> Any:
        found = predictions.log_probabilities(run, tokens, 0)
        inside = jax.nn.logsumexp(found, -1)
        right = jnp.take_along_axis(found, answer[:, None], 1)[:, 0]
        return (1 - jnp.exp(inside)).mean(), (inside - right).mean()

    mass, among = map_epochs(sweep, both)
    digits = list(range(max(this["digits"] - 1, 1)))
    steps = np.array([sweep.steps(epoch) for epoch in sweep.epochs])
    return Zeroth(np.asarray(mass), np.asarray(among), sweep.metrics["loss"][:, :, digits].mean(-1), steps)


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
