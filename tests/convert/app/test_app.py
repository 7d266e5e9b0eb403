"""The exported app in headless Chromium: answers, check, offline, accessibility."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from freezenet.convert.app.export import export_app
from freezenet.edge_runtime.classifier import Classifier
from studies.tools import MissingToolError, npm_packages

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
expect = playwright.expect
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage")  # fmt: skip
AXE = "4.10.3"


class Quiet(SimpleHTTPRequestHandler):
    """A server as the README starts one."""

    def log_message(self, *arguments):
        """Say nothing."""


class Isolated(Quiet):
    """With the headers that allow threads."""

    def end_headers(self):
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed; run: apt-get install chromium")
    with playwright.sync_playwright() as hand:
        chromium = hand.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def app(phone_model, packages, tmp_path_factory):
    """An exported folder with LiteRT.js in it."""
    folder = tmp_path_factory.mktemp("app") / "app"
    export_app(phone_model, folder)
    (folder / "node_modules").symlink_to(packages)
    return folder


@pytest.fixture
def serve(app):
    """A function: handler -> server of a folder, by default the app's."""
    servers = []

    def start(folder=app, handler=Quiet):
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        server.url = f"http://127.0.0.1:{server.server_port}/"
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def visit(browser):
    """Open the app: visit(url, width=, scheme=); returns page, requests, problems."""
    contexts = []

    def opened(url, width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 740}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        requests, problems = [], []
        context.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
        page.goto(url)
        ready(page)
        return SimpleNamespace(page=page, requests=requests, problems=problems)

    yield opened
    for context in contexts:
        context.close()


def ready(page):
    page.wait_for_selector("body[data-state=ready], body[data-state=failed]")
    assert page.get_attribute("body", "data-state") == "ready", page.inner_text("#problem")


def choose(page, file):
    page.set_input_files("#file", str(file))
    page.wait_for_selector("body[data-state=fitting]")


def answer(page):
    page.click("#answer")
    page.wait_for_selector("body[data-state=answered]")


def check(page):
    page.click("#check")
    page.wait_for_selector("body[data-check]")
    return page.get_attribute("body", "data-check")


@pytest.fixture(scope="module")
def answered(phone_model, phantoms):
    """A phantom that is answered, one that is refused (inverted), and what the edge runtime says."""
    classifier, found = Classifier(phone_model), {}
    for file in sorted(phantoms.parent.rglob("*.png")):
        found.setdefault(classifier.predict(file).reason, file)
    return SimpleNamespace(file=found[None], prediction=classifier.predict(found[None]))


@pytest.fixture
def blank(tmp_path):
    """A picture on which there is nothing to see."""
    path = tmp_path / "blank.png"
    cv2.imwrite(str(path), np.full((120, 100), 90, np.uint8))
    return path


def test_the_answer_is_that_of_the_edge_runtime(serve, visit, answered):
    visited = visit(serve().url)
    page = visited.page
    choose(page, answered.file)
    answer(page)
    assert page.inner_text("#said") == answered.prediction.label
    shown = dict(
        zip(
            page.locator("#shares li > span:first-child").all_inner_texts(),
            page.locator("#shares strong").all_inner_texts(),
            strict=True,
        )
    )
    assert set(shown) == set(answered.prediction.probabilities)
    label, most = max(answered.prediction.probabilities.items(), key=lambda one: one[1])
    assert shown[label] in (f"{round(100 * most)} %", "over 99 %")
    assert "ms" in page.inner_text("#note") and visited.problems == []


def test_where_on_demand_and_never_where_refused(serve, visit, answered, blank):
    page = visit(serve().url).page
    choose(page, answered.file)
    answer(page)
    before = page.evaluate("document.getElementById('seen').toDataURL()")
    page.click("#heat")
    assert page.get_attribute("#heat", "aria-pressed") == "true" and "where the model sees" in page.inner_text(
        "#caption"
    )
    assert page.evaluate("document.getElementById('seen').toDataURL()") != before
    page.click("#heat")
    assert page.evaluate("document.getElementById('seen').toDataURL()") == before
    choose(page, blank)
    answer(page)
    assert page.inner_text("#said") == "Not read as a chest X-ray"
    for name in ("#heat", "#shares"):
        expect(page.locator(name)).to_be_hidden()


def test_works_offline_and_asks_no_other_origin(serve, visit, answered):
    server = serve()
    visited = visit(server.url)
    assert check(visited.page) == "passed"
    server.shutdown()
    server.server_close()
    visited.page.reload()
    ready(visited.page)
    assert check(visited.page) == "passed"
    choose(visited.page, answered.file)
    answer(visited.page)
    assert visited.page.inner_text("#said") == answered.prediction.label
    assert {url for url in visited.requests if not url.startswith((server.url, "blob:"))} == set()
    assert visited.problems == []


def test_threads_where_the_headers_allow_them(serve, visit):
    page = visit(serve(handler=Isolated).url).page
    assert page.evaluate("crossOriginIsolated") is True
    assert check(page) == "passed" and "; threads" in page.input_value("#report")


def edited(app, folder, change):
    """A copy of the app with another card."""
    shutil.copytree(app, folder, symlinks=True)
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_a_phone_that_computes_otherwise_is_told(serve, visit, app, tmp_path):
    def otherwise(card):
        vectors = card["golden"]["vectors"]
        vectors[0]["scores"][next(iter(vectors[0]["scores"]))] += 0.1
        vectors[1]["pixels_sha256"] = "0" * 64

    page = visit(serve(edited(app, tmp_path / "app", otherwise)).url).page
    assert check(page) == "failed"
    assert "does NOT give" in page.inner_text("#verdict") and "Do not use the app" in page.inner_text("#verdict")
    report = page.input_value("#report")
    assert report.startswith("FAILED") and "TOO LARGE" in report and "pixels DIFFER" in report
    assert page.locator("#rows .bad").count() >= 2


def test_a_newer_version_waits_and_no_page_has_files_of_two(serve, visit, app, answered, tmp_path):
    """And an app in another folder of the same server keeps its own."""
    one = edited(app, tmp_path / "one", lambda card: None)
    edited(app, tmp_path / "two", lambda card: None)
    server = serve(tmp_path)
    page = visit(f"{server.url}one/").page
    other, second = page.context.new_page(), page.context.new_page()
    for tab, name in ((other, "two"), (second, "one")):
        tab.goto(f"{server.url}{name}/")
        ready(tab)
    choose(second, answered.file)
    old = page.inner_text("#state")

    def newer(card):
        card["name"] = "freezenet newer"

    shutil.move(one, tmp_path / "older")
    edited(tmp_path / "older", one, newer)
    script = (one / "version.js").read_text()
    (one / "version.js").write_text(script.replace('VERSION = "', 'VERSION = "newer'))
    page.reload()
    ready(page)
    expect(page.locator("#newer")).to_contain_text("A newer version of this app is ready.")
    assert page.inner_text("#state") == old and check(page) == "passed"
    page.click("#newer-use")
    expect(page.locator("#state")).to_contain_text("freezenet newer")
    ready(page)
    # The other window keeps its picture, and is told.
    expect(second.locator("#newer")).to_contain_text("was put in place")
    expect(second.locator("#check")).to_be_disabled()
    assert second.inner_text("#state") == old
    answer(second)
    assert second.inner_text("#said") == answered.prediction.label
    kept = page.evaluate("caches.keys()")
    assert len(kept) == 2 and sum("newer" in name for name in kept) == 1
    server.shutdown()
    server.server_close()
    for tab, name in ((other, old), (page, "freezenet newer")):
        tab.reload()
        ready(tab)
        assert name in tab.inner_text("#state")


def test_the_page_of_your_own_in_the_documentation(serve, visit, app, answered, tmp_path):
    """Also where the app itself was opened before: its service worker leaves other pages alone, and keeps no old state of them."""
    document = Path(__file__).parents[3] / "docs" / "phone.md"
    page_of_mine = re.search(r"```html\n(.*?)```", document.read_text(encoding="utf-8"), re.S)[1]
    folder = edited(app, tmp_path / "app", lambda card: None)
    (folder / "mine.html").write_text(page_of_mine, encoding="utf-8")
    visited = visit(serve(folder).url)
    page = visited.page
    for title in ("My page", "Changed"):
        page.goto(f"{page.url.rpartition('/')[0]}/mine.html")
        expect(page).to_have_title(title)
        (folder / "mine.html").write_text(page_of_mine.replace("My page", "Changed"), encoding="utf-8")
    expect(page.locator("#file")).to_be_enabled(timeout=60_000)
    page.set_input_files("#file", str(answered.file))
    expect(page.locator("#said")).to_contain_text(answered.prediction.label.replace("_", " "))
    assert visited.problems == []


def test_a_model_of_another_export_is_not_opened(serve, browser, app, tmp_path):
    folder = edited(app, tmp_path / "app", lambda card: None)
    model = bytearray((folder / "model.tflite").read_bytes())
    model[len(model) // 3] ^= 1
    (folder / "model.tflite").write_bytes(model)
    page = browser.new_page()
    page.goto(serve(folder).url)
    page.wait_for_selector("body[data-state=failed]")
    assert "card.json of the same export" in page.inner_text("#problem")
    for name in ("#file", "#check"):
        expect(page.locator(name)).to_be_disabled()
    page.close()


def test_a_localized_model_says_so_beside_its_answer(serve, visit, app, answered, tmp_path):
    shares = answered.prediction.probabilities
    least = min(shares, key=shares.__getitem__)
    sentence = "Thresholds were chosen on 40 labelled images of one place."

    def localized(card):
        card["confidence"] = {"temperature": 1.0, "abstain_below": 0.0, "answer_from": {least: 0.0}}
        card["localized"] = {"sentence": sentence, "targets": [f"sensitivity=.9:{least}"], "images": 40}
        card["sources"] = {"elsewhere": "Lung_Opacity was learned from one source alone."}

    page = visit(serve(edited(app, tmp_path / "app", localized)).url).page
    choose(page, answered.file)
    answer(page)
    assert page.inner_text("#said") == least.replace("_", " ")
    assert "even where another class is more probable" in page.inner_text("#why")
    told = page.locator("#warned li").all_inner_texts()
    assert told == [sentence, "Lung Opacity was learned from one source alone."]
    page.click("#heat")
    assert f"where the model sees {least.replace('_', ' ')}" in page.inner_text("#caption")
    page.click("#about summary")
    assert f"sensitivity=.9:{least} on 40 images" in page.inner_text("#facts")
    assert check(page) == "failed"  # the recorded answers are of another rule
    page.click("#again")
    answer(page)
    assert "check of this phone failed" in page.inner_text("#warned")


def test_of_two_files_the_last_one_counts(serve, visit, answered, tmp_path):
    cv2.imwrite(str(tmp_path / "large.png"), np.random.default_rng(0).integers(0, 256, (800, 1500), np.uint8))
    page = visit(serve().url).page
    page.set_input_files("#file", str(tmp_path / "large.png"))
    page.set_input_files("#file", str(answered.file))
    page.wait_for_selector("body[data-state=fitting]")
    answer(page)
    assert page.inner_text("#said") == answered.prediction.label
    height, width = cv2.imread(str(answered.file), cv2.IMREAD_GRAYSCALE).shape
    page.wait_for_timeout(300)  # the first one would have been read by now
    assert page.get_attribute("body", "data-state") == "answered"
    assert page.evaluate("[document.getElementById('shown').width, document.getElementById('shown').height]") == [
        width,
        height,
    ]


def test_where_the_browser_keeps_nothing(serve, browser, answered):
    """Without service worker, as in a private window, and without room for the history."""
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); };")
    page.goto(serve().url)
    ready(page)
    page.click("#about summary")
    assert "NO: this browser keeps nothing" in page.inner_text("#facts")
    choose(page, answered.file)
    page.locator("#keep").click()
    expect(page.locator("#keep")).not_to_be_checked()
    expect(page.locator("#problem")).to_contain_text("keeps nothing here")
    answer(page)
    assert page.inner_text("#said") == answered.prediction.label
    context.close()


def test_the_frame_by_keyboard(serve, visit, answered):
    page = visit(serve().url, width=360).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    choose(page, answered.file)
    assert page.evaluate("document.activeElement.id") == "fit-title"
    handle = page.locator(".handle").first
    handle.focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    assert handle.get_attribute("aria-label") == "Upper left corner: 20 % from the left, 1 % from the top"
    page.click("#right")
    assert handle.get_attribute("aria-label") == "Upper left corner: 0 % from the left, 0 % from the top"
    for name in ("#left", "#mirror", "#mirror"):
        page.click(name)
    answer(page)  # as it was
    assert page.inner_text("#said") == answered.prediction.label
    assert page.evaluate("document.activeElement.id") == "said"


def test_a_film_in_a_photograph_is_answered_by_its_frame(serve, visit, answered, tmp_path):
    film = cv2.imread(str(answered.file), cv2.IMREAD_GRAYSCALE)
    height, width = film.shape
    surround = np.full((2 * height, 2 * width), 255, np.uint8)
    surround[height // 2 : height // 2 + height, width // 2 : width // 2 + width] = film
    cv2.imwrite(str(tmp_path / "photo.png"), surround)
    page = visit(serve().url).page
    choose(page, tmp_path / "photo.png")
    for number, keys in enumerate((("Right", "Down"), ("Left", "Down"), ("Left", "Up"), ("Right", "Up"))):
        page.locator(".handle").nth(number).focus()
        for key in keys:
            for _ in range(5):
                page.keyboard.press(f"Shift+Arrow{key}")
    answer(page)
    assert page.inner_text("#said") == answered.prediction.label


def test_files_that_cannot_be_read_are_named(serve, visit, tmp_path, answered):
    page = visit(serve().url).page
    png = answered.file.read_bytes()
    bad = {"cut.png": (png[: len(png) // 2], "damaged or cut off"), "x.dcm": (bytes(128) + b"DICM", "DICOM"),
           "x.heic": (b"\0\0\0\x18ftypheic" + bytes(20), "HEIC"), "x.txt": (b"hello", "cannot open"),
           "pdf.jpg": (b"%PDF-1.7" + bytes(20), "PDF"), "x.mov": (b"\0\0\0\x14ftypqt  " + bytes(20), "video"),
           "dot.png": (cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes(), "too small"),
           "dot.bmp": (cv2.imencode(".bmp", np.zeros((1, 1), np.uint8))[1].tobytes(), "too small")}  # fmt: skip
    for name, (content, sentence) in bad.items():
        (tmp_path / name).write_bytes(content)
        page.set_input_files("#file", str(tmp_path / name))
        expect(page.locator("#problem")).to_contain_text(sentence)
    cv2.imwrite(str(tmp_path / "x.webp"), cv2.imread(str(answered.file)), [cv2.IMWRITE_WEBP_QUALITY, 101])
    choose(page, tmp_path / "x.webp")
    answer(page)
    assert page.inner_text("#said") == answered.prediction.label and "browser opened" in page.inner_text("#note")


def test_history_only_on_request(serve, visit, answered):
    page = visit(serve().url).page
    choose(page, answered.file)
    answer(page)
    assert page.evaluate("localStorage.length") == 0
    page.check("#keep")
    page.click("#again")
    answer(page)
    kept = page.evaluate("Object.values(localStorage).join()")
    assert answered.prediction.label in kept and answered.file.name not in kept
    assert page.locator("#kept li").count() == 1
    page.click("#forget")
    assert page.evaluate("localStorage.length") == 0 and page.locator("#kept li").count() == 0
    expect(page.locator("#keep")).not_to_be_checked()


@pytest.fixture(scope="module")
def axe(tools):
    try:
        return npm_packages(tools / f"axe-{AXE}", [f"axe-core@{AXE}"]) / "axe-core" / "axe.min.js"
    except MissingToolError as error:
        if os.environ.get("FREEZENET_CI") and os.geteuid() == 0 and shutil.which("apt-get"):
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible_and_never_wider_than_a_phone(serve, visit, answered, blank, axe, scheme):
    page = visit(serve().url, width=360, scheme=scheme).page
    script = axe.read_text(encoding="utf-8")

    def look(state):
        page.evaluate(script)
        found = page.evaluate("axe.run()")["violations"]
        serious = {
            one["id"]: [node["html"] for node in one["nodes"]]
            for one in found
            if one["impact"] in ("serious", "critical")
        }
        assert serious == {}, state
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, state

    look("ready")
    choose(page, answered.file)
    look("fitting")
    answer(page)
    page.click("#heat")
    look("answered")
    choose(page, blank)
    answer(page)
    look("refused")
    page.check("#keep")
    check(page)
    page.click("#about summary")
    look("checked")
