"""Findings that rest on a reader or a design that has been mended since, until they are measured again."""

AGAIN: dict[str, tuple[str, dict[str, str]]] = {
    "similarity": (
        "2c9cc3547d+",
        {"001-73": "pairs of runs were counted as independent, so that its interval is too narrow"},
    ),
    "edge_pruning": (
        "212bf15141",
        {"002-18": "edges were scored on the problems that they were chosen on"},
    ),
    "ablation_map": (
        "693d805a4a+",
        {"001-77": "neurons were counted on the problems that they were ranked on"},
    ),
    "carry_odds": (
        "8c27cf87e9+",
        dict.fromkeys(
            ("001-39", "001-40"), "runs that do not come near the level were averaged with those that do"
        ),
    ),
    "joint_distribution": (
        "f8c7e15dfa+",
        dict.fromkeys(("000-12", "001-75"), "every fourth problem was taken, not random ones"),
    ),
}
"""Experiment -> (the commit of the finding in question, {id: why}); later findings are not meant."""


def why(name: str, commit: str, question: str) -> str:
    """Returns why an answer is to be measured again; empty where it is not."""
    before, reasons = AGAIN.get(name, ("", {}))
    return reasons.get(question, "") if commit == before else ""
