"""The rows of the pages of findings: what is said to every question, from what the experiments wrote."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from experiments.frame import measured, questions, result
from experiments.frame.again import why
from experiments.frame.questions import Question

AGAIN = "to be measured again"
OLDER = "Measured before this page had its form: the numbers are in words, and the rule is in the code alone."


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
        again = self.verdict.startswith(AGAIN)
        return AGAIN if again else self.verdict.partition(":")[0]

    @property
    def short(self) -> str:
        """The verdict for the table: with its words where the answer does not say them already."""
        if self.kind == AGAIN:
            return f"{AGAIN}; why, and what it was before, is in the details"
        words = self.verdict.partition(":")[2].strip()
        return self.verdict if words and words[1:] not in self.answer else self.kind


def rows(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Row]:
    """Every question by its id. ValueError for an answer to no question of the notes."""
    known = questions.all_of_them()
    answered = {
        answer["id"]: (name, finding, answer)
        for name, finding in found.items()
        for answer in finding["answers"]
    }
    if strange := sorted(set(answered) - set(known)):
        raise ValueError(f"{', '.join(strange)}: no such question in experiments/frame/questions.tsv")
    tools = questions.tools()
    made = {}
    for id, question in known.items():
        if id in answered:
            made[id] = of_answer(question, *answered[id])
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


def of_answer(question: Question, name: str, finding: Mapping[str, Any], kept: Mapping[str, Any]) -> Row:
    """The row of an answer of either form."""
    if "rule" in kept:
        return of_result(question, name, result.read(kept))
    again = why(name, finding["commit"], question.id)
    older = questions.older().get(question.id)
    meant = older is not None and older.commit == finding["commit"]
    sentence = older.sentence if older and meant else first_sentence(kept["verdict"])
    verdict = (older.verdict if older and meant else "") or kept["verdict"]
    changed = [] if verdict == kept["verdict"] else ["", f"The experiment itself said: {kept['verdict']}."]
    verdict = f"{AGAIN} ({again}); before: {verdict}" if again else verdict
    detail = [
        f"Measured: {without_marks(kept['measured'])}.",
        "",
        f"Numbers: {without_marks(kept['number'])}.",
        "",
        OLDER,
        *changed,
    ]
    sure = f"{finding['seeds']['count']} seeds; intervals in the details"
    return Row(question, sentence, sure, verdict, name, "\n".join(detail))


def of_result(question: Question, name: str, found: result.Result) -> Row:
    """The row of an answer whose numbers are rows."""
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
    return Row(
        question, tool.sentence, "tested", f"built: `{tool.command}`", None, f"Shown by `{tool.command}`."
    )


def first_sentence(verdict: str) -> str:
    """What an older verdict says after its first word, as a sentence of at most `result.MOST_WORDS` words."""
    kind, _, words = verdict.partition(":")
    text = words.strip() or {"confirmed": "As the note says", "refuted": "Not as the note says"}.get(
        kind, kind
    )
    if kind == "built":
        text = f"There: `{text}`"
    kept = text.split()
    text = (
        " ".join(kept) if len(kept) <= result.MOST_WORDS else " ".join(kept[: result.MOST_WORDS - 1]) + " …"
    )
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(("…", ".")) else ".")


def without_marks(text: str) -> str:
    """An older text with its unknown numbers in words."""
    text = re.sub(r"\? \(\? to \?\)", "none", text)
    text = re.sub(r"\? \(([^()]*?) to \?\)", r"not reached by half of the runs (\1 or more)", text)
    text = re.sub(r"\(([^()?]*?) to \?\)", r"(\1 or more)", text)
    return re.sub(r"\(\? to ([^()?]*?)\)", r"(up to \1)", text)


def cell(text: str) -> str:
    """A text as a cell of a table."""
    return text.replace("|", "\\|")
