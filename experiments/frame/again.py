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
    "shelf_atlas": (
        "a4f2ec6380+",
        dict.fromkeys(("001-28", "001-59", "001-60", "001-66", "001-76"), DETECTOR),
    ),
    "lower_shelves": (
        "56a9bf81bc+",
        dict.fromkeys(("001-29", "001-67", "001-68", "001-69"), DETECTOR),
    ),
    "embeddings_over_training": (
        "75bc9bcdb1+",
        dict.fromkeys(
            ("002-10", "002-11"),
            "circularity counted the alternating wave of an even base twice; tests of lines had no power",
        ),
    ),
}
"""Experiment -> (the commit of the finding in question, {id: why}); later findings are not meant."""


def why(name: str, commit: str, question: str) -> str:
    """Returns why an answer is to be measured again; empty where it is not."""
    before, reasons = AGAIN.get(name, ("", {}))
    return reasons.get(question, "") if commit == before else ""
