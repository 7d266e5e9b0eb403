"""The web page in headless Chromium."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import json
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
expect = playwright.expect
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage")  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed; run: apt-get install chromium")
    with playwright.sync_playwright() as hand:
        chromium = hand.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    """Open the page of a server: visit(url, width=, scheme=); returns page, requests, problems."""
    contexts = []

    def opened(url: str, width: int = 1280, scheme: str = "light", **options) -> SimpleNamespace:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        expect.set_options(timeout=30_000)  # a busy machine answers late
        requests, problems = [], []
        context.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
        page.goto(url)
        return SimpleNamespace(page=page, requests=requests, problems=problems)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def url(module_process, models):
    return module_process(models / "int8.tflite", "--workers", "1").url


@pytest.fixture
def files(phantoms, tmp_path):
    """Three phantoms, the second with a name that a spreadsheet would run, and a file that is no image."""
    found = []
    for number, source in enumerate(sorted(phantoms.parent.rglob("*.png"))[:3]):
        found.append(tmp_path / ("=1+1,.png" if number == 1 else f"chest {number}.png"))
        found[-1].write_bytes(source.read_bytes())
    found.append(tmp_path / "broken.jpg")
    found[-1].write_bytes(b"\xff\xd8 no image")
    return found


def choose(page, files):
    expect(page.locator("#work")).to_be_visible()
    page.set_input_files("#files", [str(file) for file in files])
    expect(page.locator(".card.waiting")).to_have_count(0)


def drop(page, name: str, content: bytes):
    """Drop a file on the page as a mouse would."""
    transfer = page.evaluate_handle(
        """([name, text]) => {
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name));
          return transfer;
        }""",
        [name, base64.b64encode(content).decode()],
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})


def test_dropped_files_are_answered_as_by_the_classifier(visit, url, models, files):
    from freezenet.edge_runtime.classifier import Classifier

    page = visit(url).page
    expect(page.locator("#model")).to_contain_text("int8.tflite · int8 · 4 classes")
    classifier = Classifier(models / "int8.tflite")
    for file in files[:2]:
        drop(page, file.name, file.read_bytes())
        expected = classifier.predict(file)
        card = page.get_by_role("article", name=file.name)
        expect(card.locator(".answer")).to_have_text(expected.label)
        ordered = sorted(expected.probabilities.items(), key=lambda one: -one[1])
        assert card.locator(".percent").all_inner_texts() == [f"{100 * value:.1f} %" for _, value in ordered]
        assert [
            float(one.get_attribute("value")) for one in card.get_by_role("meter").all()
        ] == pytest.approx([value for _, value in ordered], abs=1e-5)  # fmt: skip
    expect(page.locator("#summary tbody tr")).to_have_count(2)


def test_many_files_and_a_bad_one(visit, url, files):
    seen = visit(url)
    choose(seen.page, files)
    expect(seen.page.locator("#count")).to_have_text("3 answered · 1 not usable")
    bad = seen.page.get_by_role("article", name="broken.jpg")
    expect(bad).to_contain_text("A whole JPEG")
    expect(bad.get_by_role("button", name="Try again")).to_be_visible()
    assert seen.page.locator("#rows tr").count() == 4
    assert seen.problems == []


def test_no_request_leaves_the_server(visit, url, files):
    seen = visit(url)
    choose(seen.page, files)
    seen.page.get_by_role("button", name="Heat-map").first.click()
    expect(seen.page.locator(".shown-heat")).to_have_count(1)
    addresses = {one for one in seen.requests if not one.startswith("blob:")}
    assert len(addresses) > 5
    assert all(one.startswith(f"{url}/") for one in addresses), addresses
    assert seen.problems == []


def test_the_heat_map_comes_and_goes(visit, url, files):
    page = visit(url).page
    choose(page, files[:1])
    button = page.get_by_role("button", name="Heat-map")
    picture = page.locator(".picture")
    gray = picture.get_attribute("src")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("figcaption")).to_contain_text("not how sure the model is")
    assert picture.get_attribute("src") != gray
    assert picture.evaluate("(one) => one.decode().then(() => one.naturalWidth)") == 96
    button.click()
    expect(picture).to_have_attribute("src", gray)


def test_a_picture_that_no_browser_shows(visit, url, tmp_path):
    """TIFF, as DICOM, is shown by what the server read."""
    image = np.add.outer(np.arange(300), np.arange(400)).astype(np.uint16) * 5
    assert cv2.imwrite(str(tmp_path / "chest.tiff"), image)
    page = visit(url).page
    choose(page, [tmp_path / "chest.tiff"])
    shown = page.locator(".picture").evaluate("(one) => one.decode().then(() => [one.naturalWidth, one.naturalHeight])")
    assert shown == [400, 300]


@pytest.mark.parametrize("reason", ["uncertain", "not a chest X-ray"])
def test_an_abstention_looks_like_none_of_the_answers(visit, process, with_card, models, files, reason):
    def change(card):
        if reason == "uncertain":
            card.update(confidence={"abstain_below": 1.0, "temperature": 9})
        else:
            card["gate"] = {"kind": "logistic", "weights": [0.0] * width, "bias": -9, "threshold": 0.5}

    from freezenet.edge_runtime.interpreter import Interpreter

    width = int(Interpreter(models / "int8.tflite").outputs[-1]["shape"][-1])
    page = visit(process(with_card(models / "int8.tflite", change)).url).page
    choose(page, files[:1])
    card = page.locator(".card.abstained")
    expect(card.locator(".answer")).to_have_text(f"No answer: {reason}")
    if reason == "uncertain":
        expect(card.get_by_role("meter")).to_have_count(4)
        expect(card.locator(".chosen")).to_have_count(0)
    else:
        # Its probabilities mean nothing.
        expect(card.get_by_role("meter")).to_have_count(0)
        expect(card.get_by_role("button", name="Heat-map")).to_have_count(0)
        expect(page.locator("#count")).to_have_text("1 without an answer")


def test_the_keyboard_alone_is_enough(visit, url, files):
    page = visit(url).page
    expect(page.locator("#work")).to_be_visible()

    def focused():
        return page.evaluate("(document.activeElement.id || document.activeElement.className)")

    page.keyboard.press("Tab")
    assert focused() == "skip"
    page.keyboard.press("Tab")
    assert focused() == "files"
    with page.expect_file_chooser(timeout=60_000) as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files([str(file) for file in files])
    expect(page.locator(".card.waiting")).to_have_count(0)
    expect(page.locator("#live")).to_contain_text("Done: 3 answered · 1 not usable")
    visited = []
    for _ in range(12):
        page.keyboard.press("Tab")
        visited.append(focused())
        if visited[-1] == "heat" and "shown" not in visited:
            page.keyboard.press("Space")
            expect(page.locator(".shown-heat")).to_have_count(1)
            assert focused() == "heat"
            visited.append("shown")
    assert visited[:4] == ["save-csv", "save-json", "clear", "heat"]
    assert visited.count("heat") == 3 and "again" in visited and "scroll" in visited


def test_roles_names_and_announcements(visit, url, files):
    page = visit(url).page
    assert page.locator("html").get_attribute("lang") == "en"
    for role in ("banner", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    expect(page.get_by_role("note")).to_contain_text("not a medical device")
    choose(page, files)
    assert page.get_by_label("Choose X-rays").count() == 1
    expect(page.get_by_role("status")).to_have_attribute("aria-live", "polite")
    choose(page, files[3:])
    expect(page.get_by_role("status")).to_contain_text("broken.jpg: A whole JPEG")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, meter, img:not([alt=''])")]
          .filter((one) => !(one.textContent.trim() || one.labels?.length || one.getAttribute("aria-label") || one.alt))
          .map((one) => one.outerHTML)"""
    )
    assert unnamed == []
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((one) => +one.tagName[1])")
    assert levels[0] == 1 and all(after - before <= 1 for before, after in itertools.pairwise(levels))


CONTRAST = """() => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const color = parse(getComputedStyle(node).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !node.checkVisibility() || node.disabled) continue;
    const pair = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
    found.push([(pair[0] + 0.05) / (pair[1] + 0.05), node.className || node.tagName]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_of_all_text(visit, process, with_card, models, files, scheme):
    """WCAG 2.2, 1.4.3 (AA): at least 4.5 : 1, by the formula of relative luminance."""
    model = with_card(models / "int8.tflite", lambda card: card.update(confidence={"abstain_below": 0.9}))
    page = visit(process(model).url, scheme=scheme).page
    choose(page, files)
    page.locator("summary").click()
    ratios = page.evaluate(CONTRAST)
    assert len(ratios) > 40
    assert min(ratios)[0] >= 4.5, sorted(ratios)[:5]


@pytest.mark.parametrize("width", [320, 360, 768])
def test_a_narrow_screen_needs_no_scrolling_sideways(visit, url, files, tmp_path, width):
    long = tmp_path / f"{'a-long-name-without-blanks' * 5}.png"
    long.write_bytes(files[0].read_bytes())
    page = visit(url, width=width, device_scale_factor=2).page
    choose(page, [*files, long])
    page.get_by_role("button", name="Heat-map").first.click()
    expect(page.locator(".shown-heat")).to_have_count(1)
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.locator("button:visible, label.button").all():
        assert button.bounding_box()["height"] >= 44


def test_the_notice_stays_in_sight(visit, url, files):
    page = visit(url, width=360).page
    choose(page, files)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.get_by_role("note")).to_be_in_viewport()


def test_no_motion_for_those_who_want_none(visit, url):
    page = visit(url, reduced_motion="reduce").page
    assert page.evaluate(
        """() => { const one = document.createElement('span'); one.className = 'blank';
          const card = document.createElement('div'); card.className = 'waiting'; card.append(one);
          document.body.append(card); return getComputedStyle(one).animationName; }"""
    ) == "none"  # fmt: skip


def test_results_are_saved_in_the_browser(visit, url, files):
    seen = visit(url)
    choose(seen.page, files)
    asked = len(seen.requests)

    def saved(button: str) -> str:
        with seen.page.expect_download() as download:
            seen.page.get_by_role("button", name=button).click()
        return download.value.path().read_text(encoding="utf-8")

    found = json.loads(saved("Save as JSON"))
    rows = list(csv.DictReader(io.StringIO(saved("Save as CSV"))))
    assert not [one for one in seen.requests[asked:] if not one.startswith("blob:")]
    assert [one["file"] for one in found] == [file.name for file in files]
    assert set(found[0]) == {"file", "request_id", "label", "probabilities", "chest_xray", "abstained", "reason",
                             "timings_ms", "model", "model_sha256", "card_sha256", "runtime", "trace"}  # fmt: skip
    assert set(found[3]) == {"file", "error"}
    # A spreadsheet would take a name that begins with = for a formula.
    assert [one["file"] for one in rows] == [files[0].name, f"'{files[1].name}", files[2].name, "broken.jpg"]
    for row, one in zip(rows[:3], found, strict=False):
        assert {label: float(row[label]) for label in one["probabilities"]} == one["probabilities"]
        assert (row["label"], row["abstained"]) == (one["label"], "false")


def test_a_busy_server_is_asked_again(visit, url, files):
    page = visit(url).page
    refusals = []

    def busy_once(route):
        if refusals:
            route.continue_()
        else:
            refusals.append(route.request.url)
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={"error": "busy", "request_id": "1"})

    page.route("**/v1/predict**", busy_once)
    page.set_input_files("#files", [str(files[0])])
    expect(page.locator(".answer")).to_have_text("The server is busy; waiting …")
    expect(page.locator(".card.answered")).to_have_count(1)


def test_a_server_that_went_away_and_came_back(visit, url, files):
    page = visit(url).page
    page.route("**/v1/predict**", lambda route: route.abort())
    choose(page, files[:1])
    expect(page.locator(".card.failed")).to_contain_text("cannot be reached")
    page.unroute("**/v1/predict**")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".card.answered")).to_have_count(1)


def test_files_dropped_before_the_model_is_known_wait_for_it(visit, url, files):
    page = visit(url).page
    waiting = []
    page.route("**/v1/model", lambda route: waiting.append(route))
    page.reload(wait_until="domcontentloaded")
    drop(page, "early.png", files[0].read_bytes())
    expect(page.locator(".card.waiting")).to_have_count(1)
    waiting[0].continue_()
    expect(page.locator(".card.answered")).to_have_count(1)


def test_a_file_that_is_too_large_is_not_sent(visit, process, models, files, tmp_path):
    seen = visit(process(models / "int8.tflite", "--max-bytes", "40000").url)
    (tmp_path / "large.png").write_bytes(bytes(50_000))
    choose(seen.page, [tmp_path / "large.png"])
    expect(seen.page.locator(".card.failed")).to_contain_text("Got: a larger one")
    assert not [one for one in seen.requests if "predict" in one]


def test_the_page_asks_for_the_token_and_forgets_it_with_the_tab(visit, process, models, files, tmp_path):
    server = process(models / "int8.tflite", FREEZENET_TOKEN="0123456789abcdef")
    page = visit(server.url).page
    field = page.get_by_label("Access token")
    expect(field).to_be_focused()
    assert field.get_attribute("type") == "password"
    field.fill("a-wrong-token-of-a-length")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_have_text("The server does not know this token.")
    field.fill("0123456789abcdef")
    page.keyboard.press("Enter")
    expect(page.locator("#work")).to_be_visible()
    choose(page, files[:1])
    expect(page.locator(".card.answered")).to_have_count(1)
    assert "0123456789abcdef" not in page.url
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]


def test_what_is_kept_is_said(visit, process, models, tmp_path):
    expect(visit(process(models / "int8.tflite").url).page.locator("#kept")).to_contain_text("keeps none")
    kept = process(models / "int8.tflite", "--store", str(tmp_path / "kept")).url
    expect(visit(kept).page.locator("#kept")).to_contain_text("keep a copy of each image")


def test_clear_leaves_nothing(visit, url, files):
    page = visit(url).page
    choose(page, files)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".card")).to_have_count(0)
    expect(page.locator("#summary")).to_be_hidden()
    expect(page.locator("#files")).to_be_focused()
