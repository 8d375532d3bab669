"""A page's contents as one HTML file. Every text of the user's is escaped; nothing is loaded from outside."""

import html
import importlib.resources
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from grokjax.curves.statistics import Interval
from grokjax.runner.page.contents import Contents
from grokjax.runner.page.glossary import meaning

if TYPE_CHECKING:
    from grokjax.runner.report import Part

Rows = Iterable[Sequence[str]]


def page(contents: Contents, version: str) -> str:
    """Returns the whole file. version: that of grokjax, for the last line."""
    return filled(
        source("page.html"),
        title=html.escape(contents.title),
        style=source("page.css"),
        facts="".join(f"<dt>{html.escape(name)}<dd>{html.escape(text)}" for name, text in contents.facts),
        thinning=html.escape(how_thinned(contents.stretches)),
        settings="".join(setting(part, contents.steps) for part in contents.parts),
        glossary=glossary(contents.glossary),
        runs=run_table(contents.runs, contents.steps),
        data=embedded(dict(panels=contents.panels, runs=contents.runs, swept=contents.swept)),
        script=source("chart.js") + source("page.js"),
        version=html.escape(version),
    )


def source(name: str) -> str:
    """Returns a file of this package as text."""
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def filled(template: str, **texts: str) -> str:
    """Returns the template with `<!--NAME-->` replaced; what is put in is not looked at again."""
    pieces = template.split("<!--")
    out = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("-->")
        out += [texts[name], rest]
    return "".join(out)


def embedded(value: Any) -> str:
    """Returns JSON that no HTML parser takes for markup. NaN, which is no JSON, becomes null."""
    text = json.dumps(plain(value), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def plain(value: Any) -> Any:
    """Returns the value in the types of JSON."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool):
        return value
    number = value.item() if hasattr(value, "item") else value
    return number if number == number and abs(number) != float("inf") else None


def how_thinned(stretches: int | None) -> str:
    """Returns the sentence that says what a point of a curve is."""
    if stretches is None:
        return "Every step is drawn."
    return (
        f"A curve has at most {stretches} points: each is the mean over a stretch of steps. The band of a "
        "picked run is the least and the largest value of its steps. Values are kept to 0.05%; metrics/ has "
        "them all."
    )


def table(headings: Sequence[str], rows: Rows, caption: str, **attributes: str) -> str:
    """Returns a table whose cells are escaped; numbers are aligned to the right by the style."""
    own = "".join(f' {name}="{html.escape(text)}"' for name, text in attributes.items())
    head = "".join(f'<th scope="col">{html.escape(text)}' for text in headings)
    cell = lambda text: (
        f'<td class="n">{html.escape(text)}' if is_number(text) else f"<td>{html.escape(text)}"
    )
    body = "".join("<tr>" + "".join(map(cell, row)) for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(caption)}">'
        f"<table{own}><caption>{html.escape(caption)}</caption><thead><tr>{head}<tbody>{body}</table></div>"
    )


def is_number(text: str) -> bool:
    """Returns whether a cell begins as a number does, or is empty."""
    return not text or text[0] in "0123456789-?(" or text[:2] == "> "


def setting(part: "Part", steps: int) -> str:
    """Returns the tables of the runs of one setting."""
    heading = f"<h3>{html.escape(part.name)}: {part.num_runs} runs</h3>" if part.name else ""
    return heading + generalised(part, steps) + shelves(part) + finals(part)


def generalised(part: "Part", steps: int) -> str:
    """Returns how many runs of a finite task generalised, when, and how long after memorising."""
    found = part.generalised
    if found is None:
        return ""
    text = (
        f"{found['runs']} of {part.num_runs} runs generalised (over {100 * found['right']:.0f}% of the test "
        f"set right), {found['memorised']} memorised the training set. Medians with 95% intervals: "
        f"memorised at step {time(found['memorised_step'], steps)}, generalised at step "
        f"{time(found['step'], steps)}, {interval(found['delay'])} steps after memorising. A run that "
        "has not is counted as later than its last step; few runs determine no interval."
    )
    return f"<p>{html.escape(text)}"


def shelves(part: "Part") -> str:
    """Returns the shelves that the runs show."""
    if not part.shelves:
        return "<p>No run has a shelf (a stretch on which its loss stays level)."
    rows = [
        (
            str(row["digit"]),
            "no exact level" if row["known"] == "none" else row["known"],
            "" if row["known"] == "none" else meaning(row["known"]),
            number(row["exact"]),
            number(row["measured"]),
            f"{row['runs']} of {part.num_runs}",
            interval(row["onset"]),
            interval(row["length"]) if row["length"]["value"] is not None else "not left",
        )
        for row in part.shelves
    ]
    headings = ("digit", "level", "who stops there knows", "exact", "found", "runs", "from step", "for steps")
    return table(headings, rows, "Shelves: nats; steps are medians over the runs, with 95% intervals")


def finals(part: "Part") -> str:
    """Returns the losses and accuracies at the end."""
    known = any(row["median_test_loss"] is not None for row in part.finals.values())
    tested = ("evaluation" if part.generalised is None else "test") if known else ""
    span = lambda row, name: " to ".join(number(row[f"{end}_{name}"]) for end in ("least", "largest"))
    rows = [
        (
            str(digit),
            number(row["median_loss"]),
            span(row, "loss"),
            number(row["median_accuracy"]),
            *((number(row["median_test_loss"]), number(row["median_test_accuracy"])) if tested else ()),
        )
        for digit, row in sorted(part.finals.items(), reverse=True)
    ]
    headings = ["digit", "loss", "least to largest", "accuracy"]
    headings += [f"{tested} loss", f"{tested} accuracy"] if tested else []
    return table(
        headings, rows, "At the end: medians over runs of the mean of the last 50 steps (nats; shares)"
    )


def run_table(rows: Sequence[Mapping[str, Any]], steps: int) -> str:
    """Returns a row for each run; the script sorts it and picks runs in it.

    A step that was not reached is later than the run's last: `> 2500`.
    """
    names = list(rows[0])
    late = lambda name, value: name.endswith("_step") and value is None
    words = [
        [
            ("diverged" if row["diverged"] else f"> {steps}") if late(name, row[name]) else cell(row[name])
            for name in names
        ]
        for row in rows
    ]
    return table([name.replace("_", " ") for name in names], words, "Every run, as in runs.csv", id="runs")


def glossary(entries: Iterable[tuple[str, str]]) -> str:
    """Returns the names of levels with their meanings; nothing where a task has none."""
    rows = "".join(f"<dt>{html.escape(name)}<dd>{html.escape(text)}" for name, text in entries)
    return f"<dl>{rows}</dl>" if rows else "<p>No exact level is known for this task."


def cell(value: Any) -> str:
    """Returns a value as text; yes or nothing of a truth."""
    if isinstance(value, bool):
        return "yes" if value else ""
    return value if isinstance(value, str) else number(value)


def number(value: Any) -> str:
    """Returns four digits, or nothing."""
    return "" if value is None or value != value else f"{value}" if isinstance(value, int) else f"{value:.4g}"


def time(row: Mapping[str, float | None], steps: int) -> str:
    """Returns a median of steps with its interval; later than the last step where most runs are."""
    return interval(row, f"> {steps}")


def interval(row: Mapping[str, float | None], unknown: str = "not determined") -> str:
    """Returns a median of steps, with its interval as far as the runs determine it: few determine none."""
    found = Interval(row["value"], row["low"], row["high"])
    ends = found.ends("{:.0f}".format)
    return (unknown if found.value is None else f"{found.value:.0f}") + (f" ({ends})" if ends else "")
