"""Findings that rest on a reader or a design that has been mended since, until they are measured again."""

AGAIN: dict[str, tuple[str, dict[str, str]]] = {}
"""Experiment -> (the commit of the finding in question, {id: why}); later findings are not meant."""


def why(name: str, commit: str, question: str) -> str:
    """Returns why an answer is to be measured again; empty where it is not."""
    before, reasons = AGAIN.get(name, ("", {}))
    return reasons.get(question, "") if commit == before else ""
