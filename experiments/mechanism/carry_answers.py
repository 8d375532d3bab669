"""The answers that probes for carries give, with their rules."""

import math

import jax
import numpy as np
from jaxtyping import Float

from experiments.frame.bounds import above, all_above, below, crossed
from experiments.frame.measured import Measured, exact, mean, share
from experiments.frame.result import Result
from experiments.mechanism import carry_reading as reading
from experiments.mechanism.carry_directions import Compared
from experiments.mechanism.carry_reading import HELD, SITES, SOURCES, SUM, Classes, Read

ABOVE = 0.99
COMMAND = "python -m experiments.mechanism.carry_probes"
MARGIN = 0.1
"""Cosines, and ways from a sum of tokens to a carry, that differ by less count as equal."""


def of_source(reads: Read, name: str) -> Read:
    """The leaves [S, n, T] of one place."""
    return jax.tree.map(lambda x: np.asarray(x)[:, SOURCES.index(name)], reads)


def accuracies(reads: Read, limit: Read, of: Classes) -> list[Result]:
    """002-04 and 002-05."""
    right = {site: of_source(reads, site).right for site in SITES}
    whole = {site: reading.accuracy(f"balanced accuracy, {site}", right[site], of.carry) for site in SITES}
    by_column = {
        f"{site}_{k + 1}": mean(
            f"{site}, carry into column {k + 1}", reading.balanced(right[site], of.carry)[:, k], ""
        )
        for site in SITES
        for k in range(len(of.carry))
    }
    built = Result(
        "002-04",
        "Linear probes read the carry into a column with balanced accuracy {resid_mid} at resid_mid and "
        "{resid_post} at resid_post.",
        whole | by_column,
        "Built if one command fits and scores a probe for every column, site and run on problems left out.",
        f"built: {COMMAND}",
    )
    return [built, decodable(whole, reads, limit, of)]


def decodable(whole: dict[str, Measured], reads: Read, limit: Read, of: Classes) -> Result:
    """002-05."""
    nines = where_nines(reads, of)
    number, further = (all_above(found.values(), ABOVE) for found in (whole, nines))
    missed = [any(below(one, ABOVE) for one in found.values()) for found in (whole, nines)]
    return Result(
        "002-05",
        "Probes are right on {resid_mid} of problems at resid_mid; the same probe on one-hot tokens alone on "
        "{tokens}.",
        whole | {f"{site}_nines": one for site, one in nines.items()} | for_comparison(reads, limit, of),
        f"The number is confirmed if the mean over columns is above {ABOVE:g} at both sites (whole "
        "interval, over runs and problems), refuted if it is below at one; the same where the column below "
        "sums to 9. Confirmed or refuted of both, else mixed.",
        "confirmed"
        if number and further
        else "refuted"
        if all(missed)
        else "mixed: confirmed of all problems, refuted where the column below sums to 9"
        if number and missed[1]
        else f"open: intervals hold {ABOVE:g}; more runs and problems would tell",
        [
            "Place-value weights on one-hot tokens read a carry too: accuracy cannot tell who computed it.",
            "Columns of a run are averaged first: they are not independent.",
        ],
    )


def tail(of: Classes) -> slice:
    """The columns in which a sum of 9 below leaves the carry open: not the first, where it never carries."""
    return slice(1, None) if len(of.carry) > 1 else slice(None)


def where_nines(reads: Read, of: Classes) -> dict[str, Measured]:
    """The balanced accuracy where the column below sums to 9, at each site."""
    kept, deep = tail(of), of.propagates.astype(bool)
    return {
        site: reading.accuracy(
            f"the same where the column below sums to 9, {site}",
            of_source(reads, site).right[:, kept],
            of.carry[kept],
            deep[kept],
        )
        for site in SITES
    }


def for_comparison(reads: Read, limit: Read, of: Classes) -> dict[str, Measured]:
    """The worst column of each run, the control task, and one-hot tokens."""
    found, kept = {}, tail(of)
    for site in SITES:
        read = of_source(reads, site)
        least = reading.balanced(read.right, of.carry).min(1)
        found[f"{site}_worst"] = share(
            f"runs above {ABOVE:g} in the worst column, {site}", int((least > ABOVE).sum()), len(least)
        )
        found[f"{site}_control"] = reading.accuracy(f"control task, {site}", read.control, of.control)
    deep = reading.balanced(limit.right[kept], of.carry[kept], of.propagates.astype(bool)[kept])
    tokens = {"tokens": reading.balanced(limit.right, of.carry), "tokens_nines": deep}
    words = {"tokens": "mean of columns", "tokens_nines": "column below sums to 9"}
    return found | {
        name: mean(f"one-hot tokens alone, {words[name]}", [values.mean()], "", "set of problems")
        for name, values in tokens.items()
    }


def extracted(reads: Read, exact_match: np.ndarray, compared: Compared, of: Classes, base: int) -> Result:
    """002-06."""
    ways = {
        name: reading.way(f"way to a carry, {name}", of_source(reads, name).margin, of.carry, base)
        for name in (SITES[0], HELD, SUM, SITES[1])
    }
    mid, held, _, post = ways.values()
    gain = _difference("way, resid_mid less attention held", reads, (SITES[0], HELD), of, base)
    rest = _difference("way, resid_post less resid_mid", reads, (SITES[1], SITES[0]), of, base)
    return Result(
        "002-06",
        "On a scale from the best sum of tokens, zero, to a clean carry, one, a probe stands at {mid} after "
        "attention and at {post} after the MLP.",
        dict(
            mid=mid,
            held=held,
            post=post,
            sum=ways[SUM],
            gain=gain,
            rest=rest,
            linear=exact("correlation ratio where the way begins", reading.linear_limit(base), ""),
            whole=crossed("all answers right", exact_match[:, 0], ""),
            whole_held=crossed("all answers right, patterns held at their mean", exact_match[:, 1], ""),
            **turned(compared),
        ),
        f"Confirmed if resid_mid is more than {1 - MARGIN:g} of the way (ratio 1); refuted if less than "
        f"{MARGIN:g}, or no more than with patterns held; mixed between, if it is by content: more than with "
        "patterns held (whole intervals).",
        "confirmed"
        if above(mid, 1 - MARGIN)
        else "refuted"
        if below(mid, MARGIN) or below(gain, MARGIN)
        else "mixed: confirmed that attention, by content, computes a part of the carry; refuted that the "
        "carry is whole before the MLP"
        if above(mid, MARGIN) and below(mid, 1 - MARGIN) and above(gain, MARGIN)
        else "open: an interval holds a margin; more runs and problems would tell",
        [
            "The ratio: how much of the variance of a linear probe lies between carry and none.",
            "By position alone, resid_mid would stay linear in the tokens: that is `held`.",
            "A sum of tokens is the best function that adds one number per token; the embeddings' own sum is "
            "less.",
            "What a probe looks at is not what the MLP reads: an edit along it turns few answers.",
        ],
    )


def turned(compared: Compared) -> dict[str, Measured]:
    """How many answers each edit turns."""
    return {
        f"turned_{i}": mean(f"answers turned by an edit: {name}", np.asarray(flips.flipped).mean(1), "")
        for i, (name, flips) in enumerate(compared.turned.items())
    }


def _difference(quantity: str, reads: Read, places: tuple[str, str], of: Classes, base: int) -> Measured:
    """Paired by run; the problems' error is common to both and nearly cancels."""
    limit = reading.linear_limit(base)
    one, other = (reading.ratios(of_source(reads, name).margin, of.carry).mean(1) for name in places)
    return mean(quantity, (one - other) / (1 - limit), "")


def directions(compared: Compared, d_model: int) -> Result:
    """002-07."""
    rows = likeness(compared, d_model) | transfer(compared)
    gaps = [rows["cosine_gap"], rows["correlation_gap"]]
    differ, same = all(above(gap, MARGIN) for gap in gaps), any(below(gap, MARGIN) for gap in gaps)
    useful = [
        f"{SITES[i]} to {SITES[j]}" for i, j in ((0, 1), (1, 0)) if above(rows[f"threshold_{i}{j}"], 0.75)
    ]
    useless = [1 for i, j in ((0, 1), (1, 0)) if below(rows[f"threshold_{i}{j}"], 0.75)]
    return Result(
        "002-07",
        "The two sites' probes correlate {correlation} within classes; a resid_post probe reads resid_mid "
        "with accuracy {transfer_10}.",
        rows,
        "Directions differ if two fits at a site are more alike than fits at the two, by more than "
        f"{MARGIN:g} in cosine and in correlation within classes, paired. Confirmed if they differ and no "
        "probe reads the other site above .75; refuted if they do not differ.",
        "refuted"
        if same
        else "confirmed"
        if differ and len(useless) == 2
        else "mixed: confirmed that directions differ, refuted that a probe is no use elsewhere: "
        f"{', '.join(useful)}"
        if differ and useful
        else "open: an interval holds its margin; more runs would tell",
        [
            "Cosines depend on coordinates in which nothing varies; correlations within classes do not.",
            "Both ways of transfer: with a threshold of its own, and (in the rows) as the probe is.",
        ],
    )


def likeness(compared: Compared, d_model: int) -> dict[str, Measured]:
    """How alike probes of the two sites are, beside two fits at one site and random directions."""
    alike = jax.tree.map(np.asarray, compared.alike)
    rows: dict[str, Measured] = {}
    for name, table in (("cosine", alike.probes), ("correlation", np.asarray(compared.whitened))):
        rows[f"{name}"] = mean(f"{name} of probes of the two sites", across(table), "")
        rows[f"{name}_mid"] = mean(f"{name} of two fits at resid_mid", table[:, :, 0, 0].mean(1), "")
        rows[f"{name}_post"] = mean(f"{name} of two fits at resid_post", table[:, :, 1, 1].mean(1), "")
        gap = (table[:, :, 0, 0] + table[:, :, 1, 1]).mean(1) / 2 - across(table)
        rows[f"{name}_gap"] = mean(f"{name}: two fits at a site less between the sites", gap, "")
    rows["means"] = mean("cosine of the class means' differences of the two sites", across(alike.means), "")
    rows["random"] = exact("mean cosine of random directions", 0.0, "")
    rows["random_spread"] = exact("its standard deviation", 1 / math.sqrt(d_model), "")
    return rows


def transfer(compared: Compared) -> dict[str, Measured]:
    """How well a probe of one site reads the other."""
    alike, rows = jax.tree.map(np.asarray, compared.alike), {}
    for i, j in ((0, 1), (1, 0), (0, 0), (1, 1)):
        where = f"{SITES[i]} probe read at {SITES[j]}"
        rows[f"transfer_{i}{j}"] = mean(f"balanced accuracy, {where}", alike.transfer[:, :, i, j].mean(1), "")
        rows[f"threshold_{i}{j}"] = mean(
            f"the same with a threshold of its own, {where}", alike.direction_only[:, :, i, j].mean(1), ""
        )
    return rows


def across(table: np.ndarray) -> Float[np.ndarray, " S"]:
    """Of tables [S, n, 2, 2] the entries between the two sites, mean over columns."""
    return np.asarray(table[:, :, 0, 1] + table[:, :, 1, 0]).mean(1) / 2
