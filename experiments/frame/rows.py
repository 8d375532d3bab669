"""The rows of the pages of findings: what is said to every question, from what the experiments wrote."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from experiments.frame import measured, questions, result
from experiments.frame.questions import Question


class Row(NamedTuple):
    """A question on its page: the answer, how sure it is, the verdict, and the details below.

    experiment: the one behind it; None where there is none
    """

    question: Question
    answer: str
    sure: str
    verdict: str
    experiment: str | None
    detail: str

    @property
    def kind(self) -> str:
        """The verdict's first word."""
        return self.verdict.partition(":")[0]

    @property
    def short(self) -> str:
        """The verdict for the table: with its words where the answer does not say them already."""
        words = self.verdict.partition(":")[2].strip()
        return self.verdict if words and words[1:] not in self.answer else self.kind


def rows(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Row]:
    """Every question by its id. ValueError for an answer to no question of the notes."""
    known = questions.all_of_them()
    answered = {
        answer["id"]: (name, answer) for name, finding in found.items() for answer in finding["answers"]
    }
    if strange := sorted(set(answered) - set(known)):
        raise ValueError(f"{', '.join(strange)}: no such question in experiments/frame/questions.tsv")
    tools = questions.tools()
    made = {}
    for id, question in known.items():
        if id in answered:
            name, answer = answered[id]
            made[id] = of_result(question, name, result.read(answer))
        elif id in tools:
            made[id] = of_tool(question, tools[id])
        else:
            made[id] = Row(
                question,
                "Not measured yet.",
                "",
                f"open: nothing was measured; {question.settled_by} would settle it",
                None,
                f"What would settle it: {question.settled_by}.",
            )
    return made


def of_result(question: Question, name: str, found: result.Result) -> Row:
    """The row of what an experiment answered."""
    shown = [found.rows[key] for key in result.placeholders(found.sentence)] or list(found.rows.values())[:1]
    table = ["| quantity | value | how sure |", "|---|---|---|"] + [
        f"| {cell(row.quantity)} | {measured.value(row)} | {measured.sure(row)} |"
        for row in found.rows.values()
    ]
    caveats = [f"- {caveat}" for caveat in found.caveats]
    detail = [f"Rule: {found.rule}", "", *table, *(["", "Caveats:", "", *caveats] if caveats else [])]
    sure = measured.sure_of_all(shown)
    return Row(
        question, result.written(found.sentence, found.rows), sure, found.verdict, name, "\n".join(detail)
    )


def of_tool(question: Question, tool: questions.Tool) -> Row:
    """The row of something that is built."""
    passes = "these tests pass" if "pytest" in tool.command else "this command does it"
    rule = f"Rule: built if {passes}: `{tool.command}`."
    return Row(question, tool.sentence, "tested", f"built: `{tool.command}`", None, rule)


def cell(text: str) -> str:
    """A text as a cell of a table."""
    return text.replace("|", "\\|")
