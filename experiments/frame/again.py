"""Findings that rest on a reader that has been mended since, until their experiments are run again."""

DETECTOR = (
    "the shelf detector was mended: it lost shelves left of its longest window, and gave levels wrongly"
)

AGAIN: dict[str, tuple[str, dict[str, str]]] = {
    "naive_phases": (
        "873fc1e8e0+",
        dict.fromkeys(
            ("001-13", "001-14"),
            "the problems on which depth 2 decides all had a carry, so that guessing a carry was right",
        ),
    ),
    "lower_shelves": (
        "56a9bf81bc+",
        dict.fromkeys(("001-29", "001-67", "001-68", "001-69"), DETECTOR),
    ),
}
"""Experiment -> (the commit of the finding in question, {id: why}); later findings are not meant."""


def why(name: str, commit: str, question: str) -> str:
    """Returns why an answer is to be measured again; empty where it is not."""
    before, reasons = AGAIN.get(name, ("", {}))
    return reasons.get(question, "") if commit == before else ""
