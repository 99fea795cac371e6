"""The page in a real browser: Chromium by Playwright, where both are installed."""

import shutil

import numpy as np
import pytest

from pipeline.report.comparison.differences import compared
from pipeline.report.comparison.layouts import Compared, by_arm
from pipeline.report.comparison.locating import read_all
from pipeline.report.comparison.page import page_text
from pipeline.report.comparison.settings import differing
from pipeline.report.page.forest_table import forest_table
from pipeline.report.page.writing import write_page
from tests.pipeline.report.comparison.conftest import datasets  # noqa: F401
from tests.pipeline.report.comparison.made import publish
from tests.pipeline.report.page.drawn import NASTY, a_line, an_image, drawn_contents

playwright = pytest.importorskip(
    "playwright.sync_api", reason="Playwright (pip install playwright) is not installed"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as program:
        launched = program.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_page(drawn_contents(), folder)
    return (folder / "report.html").as_uri()


@pytest.fixture(params=[(390, "light"), (1280, "dark")])
def opened(browser, address, request):
    """The page, scrolled once through, with what it logged and whom it asked."""
    page, noted = scrolled(browser, address, *request.param)
    yield page, noted, request.param[0]
    page.close()


def scrolled(browser, address, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    noted = []
    page.on("console", lambda message: noted.append(message.text))
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.on("request", lambda asked: noted.append(asked.url) if asked.url.startswith("http") else None)
    page.goto(address)
    for drawing in page.query_selector_all(".drawing"):
        drawing.scroll_into_view_if_needed()
        page.wait_for_function("each => each.querySelector('.vega-embed, .grid')", arg=drawing)
    return page, noted


def test_nothing_is_logged_or_fetched_and_nothing_sticks_out(opened):
    page, noted, width = opened
    assert noted == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_filter_leaves_matching_rows(opened):
    page, _, _ = opened
    visible = "table.results tbody tr:not([hidden])"
    before = page.locator(visible).count()
    page.fill("#filter", "nothing-like-it")
    assert page.locator(visible).count() == 0
    assert page.inner_text("#shown") == "0 rows"
    page.fill("#filter", "knn")
    assert page.locator(visible).count() == before


def test_everything_that_scrolls_or_opens_is_reached_by_the_keyboard(opened):
    page, _, _ = opened
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName + '.' + document.activeElement.className"))
    assert {"A.", "INPUT.", "SUMMARY.", "DIV.scrolls"} <= reached


def test_a_cell_of_a_confusion_shows_its_images_by_mouse_and_by_keyboard(opened):
    page, noted, _ = opened
    cells = page.locator(".grid [role=gridcell]")
    assert cells.count() == 4
    assert cells.nth(1).get_attribute("aria-label") == f"{NASTY} as b: 1 image, 25.0 % of the class"
    cells.nth(1).click()
    behind = page.locator(".behind")
    assert behind.locator("p").inner_text() == f"{NASTY} as b: 1 image:"
    assert behind.locator("img").get_attribute("alt") == NASTY
    for key in ("ArrowDown", "ArrowLeft", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    assert behind.locator("p").inner_text() == f"b as {NASTY}: 0 images"
    assert behind.locator("img").count() == 0
    for key in ("ArrowUp", "Space"):
        page.keyboard.press(key)
    assert behind.locator("p").inner_text() == f"{NASTY} as {NASTY}: 3 images"
    assert page.locator(".grid [tabindex='0']").count() == 1
    assert noted == []


def test_paper_has_room_for_all_of_it(browser, address):
    """A4 between margins of 12 mm is 186 mm wide, 703 pixels."""
    page = browser.new_page(viewport={"width": 703, "height": 1000}, color_scheme="dark")
    page.goto(address)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.scrollWidth") == 703
    beyond = """[...document.querySelectorAll("table, svg, img")]
        .filter((each) => each.getBoundingClientRect().right > 703)
        .map((each) => each.outerHTML.slice(0, 99))"""
    assert page.evaluate(beyond) == []
    assert page.locator("details:not([open])").count() == 2, "every metric, and every setting"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()


def test_axe_finds_nothing(opened):
    """Roles, names, contrast, order of headings: the rules of axe-core."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    page, _, _ = opened
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.locator(".grid [role=gridcell]").nth(1).click()
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in found] == []


def test_names_are_shown_as_they_are(opened):
    page, _, _ = opened
    assert NASTY in page.text_content("#data h3")


def test_a_comparison_is_such_a_page_too(browser, tmp_path, datasets):  # noqa: F811
    right = np.arange(40) % 2 == 0
    names, outcomes = ("short", "a-name-as-long-as-it-may-be"), {("ibot", 0): right, ("hssl", 0): right}
    for name in names:
        publish(tmp_path, name, datasets["first"], outcomes, settings={name: 1})
    experiments = read_all(names, results=tmp_path, start=tmp_path)
    differences, refusals = compared(experiments)
    found = Compared(experiments, differing([each.settings[0] for each in experiments]), differences)
    text = page_text(found, by_arm(found), by_arm(found, every=True), refusals, command="doit run compare")
    (tmp_path / "page.html").write_text(text)
    for width, scheme in ((390, "dark"), (1280, "light")):
        page, noted = scrolled(browser, (tmp_path / "page.html").as_uri(), width, scheme)
        assert noted == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.fill("#filter", "hssl")
        assert page.locator("#results > .scrolls tbody tr:not([hidden])").count() == 1
        page.close()


def test_a_column_sorts_by_mouse_and_by_keyboard(browser, tmp_path):
    contents = drawn_contents()
    values = {"first": 0.02, "second": -0.1, "third": 0.005}
    contents.forest = forest_table([a_line("hssl", value, task=task) for task, value in values.items()])
    write_page(contents, tmp_path)
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    tasks = page.locator(".forest tbody th")
    head = page.locator(".forest thead th").nth(1)
    head.locator("button").click()
    assert [each.split()[0] for each in tasks.all_inner_texts()] == ["second", "third", "first"]
    assert head.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")
    assert [each.split()[0] for each in tasks.all_inner_texts()] == ["first", "third", "second"]
    assert head.get_attribute("aria-sort") == "descending"
    page.close()


def test_a_point_of_a_map_shows_its_thumbnail(opened):
    page, noted, _ = opened
    point = page.locator('[data-spec="features-hssl, auxiliary head"] .mark-symbol.role-mark path').first
    point.scroll_into_view_if_needed()
    point.hover()
    image = page.locator("#vg-tooltip-element img")
    image.wait_for()
    assert image.get_attribute("src") == an_image()
    assert noted == []
