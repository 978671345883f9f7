"""The report in a real browser: headless Chromium, as a reader would open the file."""

import dataclasses
import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import report_studies
import torch

import modeldiff
from modeldiff.report import page as report_page
from modeldiff.report import score_comparison, summary

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
WIDE = {"width": 1920, "height": 1080}

pytest_plugins = ["report_fixtures"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


class Opened:
    """A page, and what it said and asked for since it was opened."""

    def __init__(self, browser, report: Path, size: dict, scheme: str = "light"):
        self.context = browser.new_context(viewport=size, color_scheme=scheme, has_touch=True)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(report.as_uri())
        self.page.wait_for_selector("html[data-ready]")

    def quiet(self, report: Path) -> None:
        """No error, and nothing asked for but the file itself and what is embedded in it."""
        assert self.errors == []
        assert {r for r in self.requests if not r.startswith("data:")} == {report.as_uri()}


@pytest.fixture(scope="module")
def html(loaded, tmp_path_factory) -> Path:
    """The page of the small study, had the first three directions of each way stood out."""
    pair = loaded.pairs[0]
    significant = np.arange(10) < 3
    p_value = np.where(significant, 0.01, 1.0)
    ways = tuple(
        dataclasses.replace(way, significant=significant, p_value=p_value) for way in pair.ways
    )
    changed = dataclasses.replace(loaded, pairs=(dataclasses.replace(pair, ways=ways),))
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_page.render(changed, summary.summarise(changed)))
    return path


@pytest.fixture
def desktop(browser, html) -> Iterator[Opened]:
    opened = Opened(browser, html, DESKTOP)
    yield opened
    opened.quiet(html)
    opened.context.close()


def shown(page) -> list[str]:
    """Sources of the images in the panel of a direction."""
    return page.eval_on_selector_all(".panel img", "all => all.map(one => one.src)")


def test_a_point_of_the_scatter_shows_its_images(desktop):
    page = desktop.page
    assert page.inner_text(".panel h3") == "plain minus masked, direction 1"
    before = shown(page)
    assert len(before) == 72  # training and test images, others of their classes, the other end
    points = page.locator("[data-chart=scatter-0] .layer_3_marks path")
    assert points.count() == 20
    points.nth(12).click(force=True)
    page.wait_for_function(
        "document.querySelector('.panel h3').textContent.includes('masked minus')"
    )
    title = page.inner_text(".panel h3")
    assert shown(page) != before
    pressed = page.locator(".ranks button[aria-pressed=true]")
    assert pressed.count() == 1
    assert title == f"masked minus plain, direction {pressed.inner_text()}"
    assert all(src.startswith("data:image/png;base64,") for src in shown(page))


def test_an_image_opens_large_with_what_matters_for_it(desktop):
    page = desktop.page
    page.locator(".panel .strip").nth(2).locator(".example").first.click()
    dialog = page.locator("dialog[open]")
    assert dialog.locator("h2").inner_text().startswith("Test image ")
    headings = dialog.locator("h3").all_inner_texts()
    assert headings[0] == "Training images that raise its margin most under plain"
    assert len(headings) == 4
    assert dialog.locator(".example").count() == 4 * 6
    dialog.locator(".example").first.click()
    assert dialog.locator("h2").inner_text().startswith("Training image ")
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def test_no_images_of_what_chance_explains(browser, html, study_json):
    opened = Opened(browser, html, DESKTOP)
    for direction, images in ((2, 72), (3, 0)):
        opened.page.locator(".ranks.a button").nth(direction).click()
        assert len(shown(opened.page)) == images
    assert "so none are shown" in opened.page.inner_text(".panel")
    assert opened.page.locator(".proof .example").count() == 16
    opened.context.close()
    null = Opened(browser, study_json.parent / "report.html", DESKTOP)
    assert null.page.locator(".proof .example").count() == 0
    null.quiet(study_json.parent / "report.html")
    null.context.close()


def test_the_keyboard_is_enough(desktop):
    page = desktop.page
    page.locator(".ranks button").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".panel h3") == "plain minus masked, direction 3"
    page.locator(".panel .example").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog[open]").count() == 1


def test_the_page_begins_with_a_direction_that_stands_out(desktop):
    page = desktop.page
    assert page.inner_text(".panel h3") == "plain minus masked, direction 1"
    page.evaluate("content.pairs[0].ways[0].directions[0] = []; begin(0)")
    assert page.inner_text(".panel h3") == "masked minus plain, direction 1"


def test_a_test_image_says_what_both_predict_and_a_planted_one_that_it_is(desktop):
    page = desktop.page
    first = page.locator(".panel .strip").nth(2).locator(".example").first
    said = first.locator(".answers").inner_text()
    answers = first.locator(".answers span").all_inner_texts()
    assert len(answers) == 2
    assert ("≠" in said) == (answers[0] != answers[1])
    first.click()
    told = page.locator("dialog[open] p").all_inner_texts()
    assert any(line.startswith("plain: ") and "of 4 models" in line for line in told)
    page.keyboard.press("Escape")
    planted = page.evaluate("content.planted.test")
    images = page.evaluate("content.pairs[0].ways[0].directions[0][1].examples.map(one => one[0])")
    marked = page.locator(".panel .strip").nth(2).locator("em").count()
    assert marked == len(set(planted) & set(images))


def test_without_javascript_the_sentences_stand_and_a_notice(browser, html):
    context = browser.new_context(viewport=DESKTOP, java_script_enabled=False)
    page = context.new_page()
    page.goto(html.as_uri())
    assert "JavaScript is off" in page.inner_text("noscript")
    assert "of the test images right" in page.inner_text(".verdict")
    assert page.locator(".verdict li").count() == 3
    assert page.locator(".proof img").count() >= 16
    context.close()


def test_the_page_of_two_score_files_is_the_same_page(browser, tmp_path):
    rng = np.random.default_rng(0)
    ways = score_comparison.compare(
        rng.normal(size=(30, 50)), rng.normal(size=(30, 50)), directions=4, rows="unit", examples=8
    )
    score_comparison.write(ways, ("first", "second"), tmp_path)
    report = tmp_path / "comparison.html"
    opened = Opened(browser, report, DESKTOP)
    page = opened.page
    page.locator(".ranks.b button").nth(2).click()
    assert page.inner_text(".panel h3") == "second minus first, direction 3"
    strongest = ", ".join(map(str, ways["b-minus-a"]["train_high"][2]))
    assert f"Training examples that make it up: {strongest}." in page.inner_text(".panel")
    assert page.locator("[data-chart=scatter-0] svg").count() == 1
    opened.quiet(report)
    opened.context.close()


def test_the_page_of_margins_shows_images_of_what_stands_out(browser, tmp_path):
    random = np.random.default_rng(0)
    masks = modeldiff.subsets.draw(60, range(200), alpha=0.5, seed=0)
    shared = random.normal(size=(30, 60))
    only_a = shared.copy()
    only_a[:8, :4] += 3
    noise = 2 * random.normal(size=(2, 200, 30))
    margins = (masks @ only_a.T + noise[0], masks @ shared.T + noise[1])
    compared = modeldiff.compare_models(masks, *margins, names=("new", "old"), directions=3)
    report = tmp_path / "page.html"
    images = (random.random((60, 8, 8)), random.random((30, 8, 8)))
    compared.report(report, images=images, labels=(np.arange(60) % 3, np.arange(30) % 3))
    opened = Opened(browser, report, DESKTOP)
    assert opened.page.locator(".panel .strips img:visible").count() >= 24
    opened.page.locator(".ranks button").nth(2).click()
    assert opened.page.locator(".panel .strips img").count() == 0  # chance explains it
    assert opened.page.locator("[data-chart] svg").count() == 3
    opened.quiet(report)
    opened.context.close()


def test_the_page_of_checkpoints_shows_every_proposal(browser, tmp_path):
    random = np.random.default_rng(0)
    splits = {}
    for name, n in (("train", 40), ("test", 20)):
        splits[name] = (random.integers(0, 256, (n, 4, 4), np.uint8), np.arange(n) % 3)
    nets = []
    for seed in range(4):
        torch.manual_seed(seed)
        nets.append(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)))
    compared = modeldiff.compare_checkpoints(nets[:2], nets[2:], **splits, proposals=2)
    report = tmp_path / "page.html"
    compared.report(report)
    opened = Opened(browser, report, PHONE)
    page = opened.page
    assert page.locator(".proposal").count() == 2
    assert page.locator("#proposals img:visible").count() == 4 * 12
    assert (
        page.locator("#predictions [data-strip] .answers").count()
        == page.locator("#predictions [data-strip] img").count()
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    opened.quiet(report)
    opened.context.close()


def test_everything_has_a_name_and_headings_are_in_order(desktop):
    page = desktop.page
    names = "all => all.every(one => one.alt || one.textContent.trim() || one.ariaLabel)"
    assert page.eval_on_selector_all("img, button, a", names)
    charts = page.locator("[data-chart] svg")
    assert charts.count() == page.locator("[data-chart]").count()
    levels = page.eval_on_selector_all(
        "main h1, main h2, main h3, main h4", "all => all.map(one => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(browser, html, scheme):
    """WCAG AA: a contrast of 4.5 for text, on the page and on its cards."""
    opened = Opened(browser, html, DESKTOP, scheme)
    wanted = ("paper", "card", "text", "muted", *"abcde", "yes", "no")
    read = "name => getComputedStyle(document.documentElement).getPropertyValue('--' + name)"
    colours = {name: opened.page.evaluate(read, name).strip() for name in wanted}
    opened.quiet(html)
    opened.context.close()
    for ground in ("paper", "card"):
        for name in wanted[2:]:
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


def contrast(a: str, b: str) -> float:
    """Contrast of two colours (WCAG 2), "#rgb" or "#rrggbb"."""
    lights = []
    for colour in (a, b):
        digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        lights.append(0.2126 * r + 0.7152 * g + 0.0722 * b)
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE, WIDE], ids=["desktop", "phone", "wide"])
def test_screenshots(browser, html, size, scheme, tmp_path):
    """Nothing is wider than the screen; pictures go to $SCREENSHOTS, where CI keeps them."""
    opened = Opened(browser, html, size, scheme)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == size["width"]
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"report-{size['width']}-{scheme}.png"
    opened.page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 50_000
    opened.quiet(html)
    opened.context.close()


def test_a_tap_on_a_phone_brings_the_images_into_view(browser, html):
    opened = Opened(browser, html, PHONE)
    opened.page.locator(".ranks.b button").nth(1).tap()
    assert opened.page.inner_text(".panel h3") == "masked minus plain, direction 2"
    box = opened.page.locator(".panel h3").bounding_box()
    assert 0 <= box["y"] < PHONE["height"]
    opened.quiet(html)
    opened.context.close()


def test_hostile_names_stay_text(browser, hostile_json):
    html = hostile_json.parent / "report.html"
    opened = Opened(browser, html, DESKTOP)
    page = opened.page
    assert report_studies.HOSTILE[0] in page.inner_text("main")
    assert report_studies.HOSTILE[0] in page.inner_text("[data-chart=opening]")
    for button in page.locator(".ranks button").all():
        button.click()
        assert page.locator(".panel table tbody tr").count() > 0
    page.locator("#predictions details summary").click()
    assert report_studies.HOSTILE[0] in page.inner_text("#predictions table")
    assert page.locator("dialog script, .panel script, main b:has-text('bold')").count() == 0
    assert page.locator("img:not([src^='data:'])").count() == 0
    opened.quiet(html)
    opened.context.close()
