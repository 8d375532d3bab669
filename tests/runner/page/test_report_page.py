"""One file about a sweep: whole, readable without a script, nothing of the user's is markup, and in a browser
its controls work.
"""

import html.parser
import json
import re
import shutil

import planted_curves
import pytest

import grokjax as gj
from grokjax.cli import main
from grokjax.runner import html_report
from grokjax.runner.page import glossary, markup

EVIL = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


class Reader(html.parser.HTMLParser):
    """The tags of a page, its words, and the addresses that it names."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.addresses = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action", "data")]

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """Six runs of addition in a directory with a bad name: four leave ln 10 early, two late, one diverges."""
    folder = tmp_path_factory.mktemp("page") / "<img src=x onerror=alert(1)>"
    decays = [0.1, 0.1, 0.1, 1, 1, 1]
    return planted_curves.addition(
        folder, [300, 320, 340, 100, 110, 120], decays, diverged={5: 200}, command=f"sweep {EVIL}"
    )


@pytest.fixture(scope="module")
def text(added):
    return gj.report(added).read_text()


def test_the_page_loads_nothing_and_nothing_of_the_users_is_markup(text):
    read = Reader(text)
    assert read.tags.count("script") == 2 and "img" not in read.tags
    assert all(address.startswith("#") for address in read.addresses)
    assert "default-src 'none'" in text and "http://" not in text and "https://" not in text
    words = " ".join(read.words)
    assert EVIL in words and "<img src=x onerror=alert(1)>" in words  # shown as they are


def test_the_data_are_json_that_no_parser_takes_for_markup(text):
    body = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1]
    found = json.loads(body)
    assert "<" not in body
    assert [panel["title"] for panel in found["panels"][:2]] == ["loss of digit 1", "loss of digit 0 (units)"]
    assert [run["diverged"] for run in found["runs"]] == [False] * 5 + [True]
    assert found["swept"] == ["weight_decay"]
    assert json.loads(markup.embedded({"a<b": ["</script>&", float("nan"), True]})) == {
        "a<b": ["</script>&", None, True]
    }


def test_the_tables_have_the_shelves_in_words_and_flag_what_diverged(text):
    words = " ".join(Reader(text).words)
    assert "weight_decay=0.1: 3 runs" in words and "3 of 3" in words
    assert "nothing of the input" in words and "2.303" in words
    assert re.search(r"<tr>(<td[^>]*>[^<]*){2}<td class=\"n\">1<td.*<td>yes<td class=\"n\">", text)


def test_a_finite_task_shows_when_its_runs_generalised(tmp_path):
    found = planted_curves.modular(tmp_path / "m", [40, 60, 80], [200, 400, float("inf")], [1, 1, 1])
    text = gj.report(found, tmp_path / "elsewhere.html").read_text()
    assert not (tmp_path / "m" / "report.html").exists()
    assert "2 of 3 runs generalised" in text and "3 memorised" in text
    assert "&gt; 600" in text  # the third run is later, not missing
    assert '"name":"test"' in text


def test_who_diverged_is_seen_from_the_losses_or_read_from_the_summary(added):
    assert html_report.ended(added) == html_report.Ended([5], [])
    body = dict(diverged=[1], stopped=[2], runs=6, steps=planted_curves.STEPS)
    path = added.directory / "summary.json"
    path.write_text(json.dumps(body))
    assert html_report.ended(added) == html_report.Ended([1], [2])
    for bad in (body | dict(diverged=[99]), body | dict(steps=7), [], dict(diverged="x")):
        path.write_text(json.dumps(bad))
        assert html_report.ended(added) == html_report.Ended([5], [])
    path.unlink()


def test_the_command_writes_it_and_refuses_in_a_sentence(added, tmp_path, capsys):
    assert main.main(["report", str(added.directory), f"--output={tmp_path / 'x.html'}"]) == 0
    assert (tmp_path / "x.html").stat().st_size > 10_000
    for words, said in (
        ([str(tmp_path / "none")], "there is no sweep"),
        ([], "name one directory of a sweep, not none"),
        (["a", "b"], "not 'a' 'b'"),
        ([str(added.directory), f"--output={tmp_path / 'no' / 'x.html'}"], "cannot be written"),
    ):
        assert main.main(["report", *words]) == 2
        assert said in capsys.readouterr().err


def test_every_level_of_every_task_has_a_meaning():
    tasks = (
        gj.Addition(num_digits=4),
        gj.Addition(order="lsb"),
        gj.Addition(mode="single", digit=1),
        gj.DigitwiseAddition(),
    )
    names = [name for task in tasks for named in gj.tasks.exact_levels(task).values() for name, _ in named]
    names += [
        name
        for named in gj.tasks.exact_levels(gj.ModularArithmetic(modulus=6, operation="multiply")).values()
        for name, _ in named
    ]
    parts = {part for name in names for part in name.split("+")}
    assert {part for part in parts if not part.startswith("lower:")} <= set(glossary.MEANINGS)
    assert glossary.meaning("digit_pair+lower:2").endswith("the operand digits of the 2 columns below")


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright (extra `browser`) is not installed")
    path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "google-chrome"))), None
    )
    if path is None:
        pytest.skip("no chromium is installed")
    with api.sync_playwright() as tool:
        opened = tool.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("width, scheme", [(1200, "light"), (390, "dark")])
def test_the_page_works_in_a_browser(browser, added, text, width, scheme):
    context = browser.new_context(offline=True, viewport=dict(width=width, height=900), color_scheme=scheme)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.extend([] if request.url.startswith("file:") else [request.url]))
    page.goto((added.directory / "report.html").as_uri())
    assert page.title() == "6 runs of Addition(num_digits=1)"
    pixels = lambda: page.evaluate("panels.map(p => p.under.toDataURL())")
    first = pixels()
    page.select_option("#c-only-weight_decay", "1")
    assert "weight_decay=1 (3 runs)" in page.text_content("#legend")
    assert "weight_decay=0.1" not in page.text_content("#legend")
    second = pixels()
    assert first != second
    page.select_option("#c-x", "log")
    page.select_option("#c-y", "linear")
    assert pixels() != second
    page.select_option("#c-only-weight_decay", "")
    page.locator("#runs tbody tr").nth(4).click()
    assert page.input_value("#c-run") == "4" and "run 4" in page.text_content("#values")
    slide = "value => { byId('slider').value = value; byId('slider').dispatchEvent(new Event('input')); }"
    at = lambda value: page.evaluate(slide, value) or page.text_content("#values")
    assert at(10) != at(300)
    page.select_option("#c-panel", "1")
    assert page.locator("figure:visible").count() == 1
    page.locator("figure:visible canvas").last.scroll_into_view_if_needed()
    box = page.locator("figure:visible canvas").last.bounding_box()
    for up in range(0, int(box["height"]), 12):
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + up)
        if page.is_visible("#tip"):
            break
    assert "about step" in page.text_content("#tip") and "weight_decay=" in page.text_content("#tip")
    page.locator("#runs th button").nth(0).click()
    page.locator("#runs th button").nth(0).click()
    assert page.locator("#runs tbody tr").first.get_attribute("data-run") == "5"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert said == []
    context.close()
