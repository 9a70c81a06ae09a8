"""A visitor asks on the page, in a real browser, and sees what the service says."""

import shutil
import subprocess
import sys

import httpx
import pytest
from selenium.webdriver.common.keys import Keys

from bento_service.schema import EXAMPLE_REQUEST
from tests.page.browser import Page
from tests.servers import serve

pytestmark = pytest.mark.page

QUESTION, CONTEXT = str(EXAMPLE_REQUEST["question"]), str(EXAMPLE_REQUEST["context"])
TEXTS = {
    "plain": CONTEXT,
    "emoji": "👩‍👩‍👧‍👦 eat 🍜 in 東京 with Zoë 🇫🇷👍🏽, then they sleep.",
    "right to left": "عاصمة فرنسا هي باريس، وهي مدينة كبيرة. בירת צרפת היא פריז.",
    "combining": "Cafe\u0301 nai\u0308ve Ångström A\u030angstro\u0308m ﬁne ẞ ǅ",
    "lines": "# Title\n\n* one\n* two\t(2)\n\n```\ncode  here\n```\n",
    "beyond the plane": "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𠜎 is beyond the plane",
    "HTML": "<img src=x onerror='document.title=1'><script>document.title=2</script> &amp; <b>bold</b> {{x}}",
}
NASTY = "It's \"quoted\" \\n $(touch x) `id` 👍🏽 <!-- --> </script>\nJSON\n'''\n${x} %s \u2028 end"


def spans(url, question, context, **fields):
    """What the service says of the page's request, best first."""
    body = {"question": question, "context": context, "top_k": 5, "offsets": "utf16"} | fields
    answer = httpx.post(f"{url}/answer", json=body, timeout=30).json()
    return [answer, *answer["alternatives"]]


def before(page):
    """The text before the mark, counted by the browser in UTF-16."""
    return page.script(
        "const mark = document.querySelector('mark');"
        "return mark.previousSibling === null ? 0 : mark.previousSibling.textContent.length"
    )


@pytest.mark.parametrize("context", TEXTS.values(), ids=TEXTS.keys())
def test_each_answer_is_marked_where_it_stands(page, context):
    page.one("#no-answer").click()
    page.ask(QUESTION, context)
    title = page.driver.title
    answers = spans(page.url, QUESTION, context)
    assert len(page.all("#spans button")) == len(answers)
    for number, span in enumerate(answers):
        page.all("#spans button")[number].click()
        assert page.text("mark") == page.text("#best") == span["answer"]
        assert before(page) == span["start_pos"]
        assert page.text("#text") == context
        assert page.all("#spans button[aria-pressed=true]") == [page.all("#spans button")[number]]
    assert page.driver.title == title == "Ask a passage"


def test_the_confidence_is_a_bar_and_words(page):
    page.one("#no-answer").click()
    page.ask(QUESTION, CONTEXT)
    confidence = spans(page.url, QUESTION, CONTEXT)[0]["confidence"]
    meter = page.one("#confidence")
    assert int(meter.get_dom_attribute("aria-valuenow")) == pytest.approx(100 * confidence, abs=0.51)
    fill = page.one("#confidence div")
    page.until(lambda: fill.size["width"] == pytest.approx(meter.size["width"] * confidence, abs=1.5))
    assert "Of 100 answers this confident" in page.text("#meaning")


@pytest.mark.parametrize(
    ("confidence", "level", "told"),
    [
        (0.9951, "sure", "> 99 %. Very likely right. Of 100 answers this confident, about 99 are right."),
        (0.9, "sure", "90 %. Very likely right. Of 100 answers this confident, about 90 are right."),
        (0.7, "likely", "70 %. Likely right. Of 100 answers this confident, about 70 are right."),
        (0.4, "unsure", "40 %. Uncertain: read the text around it. Of 100 answers this confident, about 40 are right."),
        (
            0.001,
            "guess",
            "< 1 %. A guess: read the text before you rely on it. Of 100 answers this confident, about 1 are right.",
        ),
    ],
)
def test_what_a_confidence_means(page, confidence, level, told):
    """In the browser's own JavaScript, with its arithmetic."""
    said = page.script(
        "return import('./page/confidence.js').then((c) => [c.levelOf(arguments[0]), c.meaning(arguments[0], true)])",
        confidence,
    )
    assert said == [level, told]


def show(page, response, *texts):
    """Have the page show a response as if the service had sent it."""
    passages = [{"number": number, "text": text} for number, text in enumerate(texts, 1)]
    code = "return import('./page/answer.js').then((answer) => answer.show(arguments[0], arguments[1]))"
    page.script(code, response, passages)


def test_an_answer_stands_in_its_passage(page):
    best = {"answer": "Bo", "confidence": 0.8, "start_pos": 6, "end_pos": 8, "context": 1, "occurrences": 2}
    other = {"answer": "Ada", "confidence": 0.1, "start_pos": 3, "end_pos": 6, "context": 0}
    show(page, best | {"alternatives": [other]}, "👍 Ada swims.", "Here, Bo sings. Bo!")
    assert page.text("#where") == "In passage 2. The text says so in 2 places."
    assert page.script("return document.querySelector('mark').parentElement.textContent") == "Here, Bo sings. Bo!"
    assert before(page) == 6
    page.all("#spans button")[1].click()
    assert page.script("return document.querySelector('mark').parentElement.textContent") == "👍 Ada swims."
    assert page.text("#where") == "In passage 1."
    assert [heading.text for heading in page.all("#text h4")] == ["Passage 1", "Passage 2"]


def test_several_passages_are_asked_together(page):
    passages = ["👍 Ada swims.", "Bo sings in the choir.", "<b>Cy</b> runs."]
    page.one("#no-answer").click()
    page.ask("Who sings?", *passages)
    body = {"question": "Who sings?", "contexts": passages, "top_k": 5, "offsets": "utf16"}
    answer = httpx.post(f"{page.url}/answer", json=body, timeout=30).json()
    for number, span in enumerate([answer, *answer["alternatives"]]):
        page.all("#spans button")[number].click()
        marked = page.script("return document.querySelector('mark').parentElement.textContent")
        assert (marked, before(page)) == (passages[span["context"]], span["start_pos"])
    assert '"contexts": [' in as_code(page, "curl")


def test_warnings_are_shown_in_words(page):
    warnings = ["unknown_words_in_question", "something_new"]
    answer = {"answer": "Ada", "confidence": 0.3, "start_pos": 0, "end_pos": 3, "warnings": warnings}
    show(page, answer, "Ada swims.")
    shown = [item.text for item in page.all("#warnings li")]
    assert shown == ["The model cannot read some words of the question.", "something new"]
    assert all(warning in page.text("#announcement") for warning in shown)


def test_an_answer_in_a_long_text_is_scrolled_to(page):
    context = ("Ada walked from the mill to the sea. " * 3_000)[:99_000]
    page.one("#no-answer").click()
    page.ask(QUESTION, context)
    answers = spans(page.url, QUESTION, context)
    last = max(range(len(answers)), key=lambda number: answers[number]["start_pos"])
    page.all("#spans button")[last].click()
    inside = """
        const [text, mark] = ["#text", "mark"].map((s) => document.querySelector(s).getBoundingClientRect());
        return text.top <= mark.top && mark.bottom <= text.bottom"""
    page.until(lambda: page.script(inside))
    assert page.text("mark") == answers[last]["answer"]


def test_no_answer_is_shown_as_such(page):
    many = " ".join(f"quay{n} ships{n} sail{n}" for n in range(100))  # the tiny model finds none of them likely
    assert spans(page.url, QUESTION, many, allow_no_answer=True)[0]["answer"] == ""
    page.ask(QUESTION, many)
    assert page.text("#best") == "No answer in this text"
    assert "such cases the text holds no answer" in page.text("#meaning")
    assert page.all("mark") == []
    page.all("#spans button")[1].click()
    assert page.text("#best") == page.text("mark") != ""


def test_an_error_is_told_as_the_service_says_it(page):
    page.ask(" ", CONTEXT)
    detail = httpx.post(f"{page.url}/answer", json={"question": " ", "context": CONTEXT}).json()["detail"]
    assert page.text("#problem") == f"{detail}400 empty_text"
    assert not page.one("#answer").is_displayed()
    (complaint,) = page.complaints()
    assert "400 (Bad Request)" in complaint
    page.ask(QUESTION, CONTEXT)
    assert page.text("#problem") == ""
    assert page.one("#answer").is_displayed()


def test_a_service_that_is_gone_is_told(chromium, tiny_store, tmp_path):
    with serve(tiny_store, tmp_path) as server:
        page = Page(chromium, server.url)
        page.open()
    page.ask(QUESTION, CONTEXT)
    assert page.text("#problem") == "The service cannot be reached. Is it running?"
    page.complaints()


def test_html_stays_text_wherever_it_is_written(page):
    attack = "<img src=x onerror=\"document.title='broken'\"><svg onload=alert(1)>"
    page.one("#no-answer").click()
    page.ask(f"{attack}?", attack)
    for number in range(len(page.all("#spans button"))):
        page.all("#spans button")[number].click()
        assert page.text("#text") == attack
        assert page.text("#best") in attack
    assert page.script("return document.querySelectorAll('main img, main svg').length") == 0
    assert page.driver.title == "Ask a passage"


@pytest.mark.parametrize("number", range(6))
def test_an_example_is_asked_by_a_click(page, number):
    page.all("#examples button")[number].click()
    page.answered()
    assert page.one("#best").is_displayed()
    assert page.one("#question").get_property("value").endswith("?")


def run(words, code, folder):
    done = subprocess.run(words, input=code, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_code(page, language):
    """The request in a language, as the page shows it."""
    if not page.one("#request").is_displayed():
        page.one("#code summary").click()
    page.one(f"#languages input[value={language}]").click()
    return page.text("#request")


def test_the_request_as_code_asks_the_same(page, tmp_path):
    page.one("#no-answer").click()
    page.ask(NASTY, NASTY)
    answer = spans(page.url, NASTY, NASTY)[0]
    assert (
        httpx.Response(200, text=run(["bash", "-s"], as_code(page, "curl"), tmp_path)).json()["answer"]
        == answer["answer"]
    )
    printed = run([sys.executable, "-"], as_code(page, "Python"), tmp_path)
    points = spans(page.url, NASTY, NASTY, offsets="codepoint")[0]
    shown = [points[name] for name in ("answer", "confidence", "start_pos", "end_pos")]
    assert printed == " ".join(map(str, shown)) + "\n"
    if shutil.which("node"):
        printed = run(["node", "--input-type=module", "-"], as_code(page, "JavaScript"), tmp_path)
        assert printed.startswith(f"{answer['answer']} ")
        assert printed.split()[-2:] == [str(answer["start_pos"]), str(answer["end_pos"])]
    assert list(tmp_path.iterdir()) == []  # nothing in the text was run


@pytest.mark.parametrize("secure", [True, False], ids=["secure", "not secure"])
def test_the_code_is_copied(page, secure):
    """Over HTTP, from another machine, a browser has no clipboard to write to, and copies what is selected."""
    permissions = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    page.driver.execute_cdp_cmd("Browser.grantPermissions", permissions)
    if not secure:
        page.script("navigator.clipboard.writeText = undefined")
    page.ask(QUESTION, CONTEXT)
    shown = as_code(page, "Python")
    page.one("#copy").click()
    page.until(lambda: page.text("#copied") == "Copied")
    assert page.script("return navigator.clipboard.readText()") == shown


def test_files_become_passages(page, tmp_path):
    texts = {"notes.md": "# Fram\n\nShe lies in Oslo.", "naïve.txt": "العربية 👍🏽"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes("Zoë".encode("latin-1"))
    names = [str(tmp_path / name) for name in (*texts, "latin.txt")]
    page.one("#files").send_keys("\n".join(names))
    page.until(lambda: "latin.txt: is not a text in UTF-8" in page.text("#problem"))
    assert [area.get_property("value") for area in page.all("textarea")] == list(texts.values())


def test_a_file_is_dropped_on_the_page(page):
    drop = """
        const dropped = new DataTransfer();
        dropped.items.add(new File(["She lies in Oslo."], "fram.md", { type: "text/markdown" }));
        for (const name of ["dragover", "drop"]) {
          const event = new DragEvent(name, { dataTransfer: dropped, bubbles: true, cancelable: true });
          document.body.dispatchEvent(event);
        }"""
    page.script(drop)
    page.until(lambda: page.one("textarea").get_property("value") == "She lies in Oslo.")
    assert not page.one("#drop").is_displayed()


def test_passages_are_added_and_removed(page):
    page.one("#add").click()
    page.one("#add").click()
    for number in (1, 2, 3):
        page.fill(f"#passage-{number}", f"text {number}")
    page.all(".remove")[1].click()
    assert [area.get_property("value") for area in page.all("textarea")] == ["text 1", "text 3"]
    assert page.script("return document.activeElement.id") == "passage-2"
    assert [label.text for label in page.all(".passage label")] == ["Passage 1", "Passage 2"]


def test_the_keyboard_alone_is_enough(page):
    """From the top of the page: a passage and a question are typed, the answers looked through, the code opened."""
    page.tab_to("#passage-1")
    page.press("Ada swims in the sea.")
    page.tab_to("#question")
    page.press("Where does Ada swim?", Keys.ENTER)
    page.answered()
    assert page.script("return document.activeElement.id") == "question"
    page.tab_to("#text")
    page.tab_to("#spans li:nth-child(2) button")
    page.press(Keys.SPACE)
    assert page.text("mark") in "Ada swims in the sea."
    page.tab_to("#code summary")
    page.press(Keys.ENTER)
    page.tab_to("#languages input")
    page.press(Keys.ARROW_RIGHT)
    assert page.text("#request").startswith("import httpx")
    page.tab_to("#copy")
    page.press(Keys.SPACE)
    page.until(lambda: page.text("#copied") == "Copied")


def test_control_and_enter_ask_from_a_passage(page):
    page.fill("#question", QUESTION)
    page.one("#passage-1").send_keys("Ada swims.", Keys.CONTROL, Keys.ENTER)
    page.answered()
    assert page.text("#text") == "Ada swims."


def test_a_screen_reader_is_told_the_answer(page):
    page.ask(QUESTION, CONTEXT)
    page.all("#spans button")[1].click()
    status = page.one("#announcement")
    assert status.aria_role == "status"
    assert page.text("#announcement").startswith(f"Answer: {page.text('#best')}. ")
    assert page.text("#meaning") in page.text("#announcement")
