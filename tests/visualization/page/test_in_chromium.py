"""Pages in a real browser without a window: what they show, what a click finds, what keys and fingers do."""

import http.server
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ppkt_zoo.visualization.page import view
from ppkt_zoo.visualization.page.features import STEPS, page_similarity
from tests.support.chromium import PageError, Tab, need_chromium
from tests.visualization.page.made_up import NAMES, corner
from tests.visualization.page.reading import about_of, features_of

_SIZE = (900, 560)
# None of these may run, and each must be shown as it is.
_HOSTILE = (
    "</script><script>window.hit = 1</script>",
    "\"><img src=x onerror='window.hit = 2'>",
    "'; window.hit = 3; //",
    "<!-- <script> 🪑 --> ]]> &lt;b&gt; {{script}} \u2028 \u202e",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_chromium()
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Tab]:
    with Tab(folder, _SIZE) as tab:
        yield tab


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    """Features, classes and a box; one point is red, one green, and no other point is like them."""
    xyz, rgb, features, labels, boxes = corner()
    rgb[:] = 120
    rgb[100], rgb[2900] = (255, 0, 0), (0, 255, 0)
    title = "corner"
    return view(xyz, rgb, features, (labels, NAMES), boxes, clusters=labels % 2, title=title).save(folder / "page.html")


@pytest.fixture
def tab(browser: Tab, page: Path) -> Tab:
    """The page, opened anew."""
    browser.resize(*_SIZE)
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(page.as_uri())
    browser.frame()
    return browser


def seen(tab: Tab) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(tab.picture())).convert("RGB")).astype(int)


def centre_of(mask: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    assert len(rows), "the colour is on the screen"
    return float(np.median(columns)) + 0.5, float(np.median(rows)) + 0.5


def state(tab: Tab, of: str) -> Any:
    return tab.run(f"ppktZoo.{of}")


def test_it_opens_without_a_complaint_and_asks_for_nothing(tab: Tab, page: Path) -> None:
    tab.key("s")
    tab.click(200, 300)
    tab.frame()
    assert tab.complaints == []
    assert {one for one in tab.requests if not one.startswith(("data:", "blob:"))} == {page.as_uri()}
    assert tab.run("document.querySelector('#told').textContent") == "All 3\u202f000 points are shown."


def test_the_points_are_drawn_in_both_panes(tab: Tab) -> None:
    tab.key("b")
    tab.frame()
    picture = seen(tab)[120:, :]
    drawn = np.abs(picture - picture[-1, -1]).sum(axis=2) > 30
    assert drawn[:, :450].mean() > 0.15
    assert drawn[:, 450:].mean() > 0.15
    # Of the features the two surfaces differ, and no point is grey.
    spread = picture.max(axis=2) - picture.min(axis=2)
    assert (spread[:, 450:][drawn[:, 450:]] > 40).mean() > 0.5


@pytest.mark.parametrize(("row", "channel"), [(100, 0), (2900, 1)])
def test_a_click_on_the_pixel_of_a_known_point_picks_it(tab: Tab, row: int, channel: int) -> None:
    tab.key("b")
    tab.frame()
    picture = seen(tab)[:, :449]
    others = picture.sum(axis=2) - picture[:, :, channel]
    x, y = centre_of((picture[:, :, channel] > 90) & (others < 40))
    tab.click(x, y)
    tab.wait("ppktZoo.state.picked >= 0")
    assert tab.run("ppktZoo.data.row[ppktZoo.state.picked]") == row
    place = corner().xyz[row]
    told = tab.run("document.getElementById('place').textContent")
    assert told.startswith(", ".join(f"{value:.2f}" for value in place + 0.0))
    assert f"row {row}" in told
    assert NAMES[corner().labels[row]] in told
    numbers = tab.run("ppktZoo.picking.option").removeprefix("--at ").split(",")
    np.testing.assert_allclose([float(one) for one in numbers], place, atol=6e-4)


def test_similarity_in_the_page_is_that_of_numpy(tab: Tab, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    about, rows, features = about_of(text)["features"], np.array(tab.run("[...ppktZoo.data.row]")), corner().features
    unit = features[rows] / np.linalg.norm(features[rows], axis=1, keepdims=True)
    for picked in (5, 2000):
        ours = np.array(tab.run(f"(ppktZoo.picking.pick({picked}), [...ppktZoo.state.similarity])"))
        same = page_similarity(features_of(text), np.float32(about["scale"]), picked, about["unit"])
        np.testing.assert_allclose(ours, same, atol=1e-5)
        assert np.abs(ours - unit @ unit[picked]).max() <= 1 / STEPS
    assert state(tab, "panes[1].mode") == "similarity"
    low = state(tab, "state.low")
    assert np.mean(ours < low) == pytest.approx(0.5, abs=0.01), "colours begin in the middle of all points"
    colors = np.array(tab.run("[...ppktZoo.panes[1].colors]"))
    assert colors[2000] == 250 | 230 << 8 | 60 << 16, "the point itself is the brightest yellow"
    assert colors[int(np.argmin(ours))] == 38 | 20 << 8 | 72 << 16, "the least similar is the darkest blue"


def test_names_run_no_script_and_are_shown_as_they_are(browser: Tab, folder: Path) -> None:
    xyz, rgb, features, _, _ = corner(600)
    labels = np.arange(len(xyz)) % len(_HOSTILE)
    boxes = [
        {"class": name, "center": [1, 1, 0.2 * at], "size": [0.2] * 3, "score": 0.5} for at, name in enumerate(_HOSTILE)
    ]
    evil = view(
        xyz, rgb, features, (labels, _HOSTILE), boxes, clusters=(labels, _HOSTILE), title=_HOSTILE[0] + _HOSTILE[1]
    )
    browser.complaints.clear()
    browser.open(evil.save(folder / "'\"><b>🪑&.html").as_uri())
    for mode in ("classes", "clusters", "color"):
        browser.run(f"ppktZoo.panes[0].setMode('{mode}')")
        browser.frame()
        of_first = "document.querySelector('.pane .legend').querySelectorAll('.name')"
        names = browser.run(f"[...{of_first}].map((one) => one.textContent)")
        assert sorted(names) == sorted(_HOSTILE)
    browser.run("ppktZoo.picking.pick(7)")
    browser.frame()
    assert browser.run("document.getElementById('title').textContent") == _HOSTILE[0] + _HOSTILE[1]
    assert browser.run("document.querySelectorAll('b, body img:not(#picture)').length") == 0
    assert browser.run("typeof window.hit") == "undefined"
    assert browser.complaints == []


def test_nothing_can_be_sent_even_by_a_script_that_got_in(tab: Tab) -> None:
    hits: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(PageError, match="Failed to fetch"):
            tab.run(f"fetch('{address}/fetched', {{mode: 'no-cors'}})")
        ask = f"image.onload = image.onerror = () => done(0); image.src = '{address}/image';"
        tab.run(f"new Promise((done) => {{ const image = new Image(); {ask} }})")
        tab.run("window.one = document.createElement('script'); one.textContent = 'window.hit = 1'")
        tab.run("document.body.append(one)")
        server.shutdown()
    assert hits == []
    assert tab.run("typeof window.hit") == "undefined"
    assert any("Content Security Policy" in one for one in tab.complaints)


def test_a_legend_hides_and_isolates_classes_in_both_panes(tab: Tab) -> None:
    tab.run("ppktZoo.panes[1].setMode('classes')")
    entries = "document.querySelectorAll('.legend')[1].querySelectorAll('.entry')"
    assert tab.run(f"[...{entries}].map((one) => one.textContent)") == ["floor50.0%", "wall50.0%"]
    tab.run(f"{entries}[1].click()")
    shown, labels = np.array(tab.run("[...ppktZoo.shown]")), np.array(tab.run("[...ppktZoo.data.classes]"))
    np.testing.assert_array_equal(shown == 255, labels == 0)
    assert tab.run(f"{entries}[1].getAttribute('aria-pressed')") == "false"
    tab.run("document.querySelectorAll('.legend')[1].querySelector('.all').click()")
    assert tab.run("ppktZoo.shown.every((one) => one === 255)")


def test_keys_do_what_the_list_of_keys_says(tab: Tab, folder: Path) -> None:
    tab.mouse("mouseMoved", 200, 300)
    tab.key("3")
    assert state(tab, "panes[0].mode") == "similarity"
    tab.key("1")
    assert state(tab, "panes[0].mode") == "color"
    before = state(tab, "camera.azimuth")
    tab.key("ArrowLeft")
    assert state(tab, "camera.azimuth") < before
    target = state(tab, "camera.target")
    tab.key("ArrowUp", shift=True)
    assert state(tab, "camera.target") != target
    far = state(tab, "camera.distance")
    tab.key("PageUp")
    assert state(tab, "camera.distance") < far
    tab.key("t")
    assert state(tab, "camera.elevation") == pytest.approx(np.pi / 2)
    tab.key("r")
    assert state(tab, "camera.azimuth") == pytest.approx(before)
    tab.key("+")
    assert state(tab, "view.size") == pytest.approx(1.25)
    tab.key("-")
    assert state(tab, "view.size") == pytest.approx(1)
    for key, of in (("p", "panes[1].isShown"), ("b", "state.boxes")):
        assert state(tab, of) is True
        tab.key(key)
        assert state(tab, of) is False
        tab.key(key)
        assert state(tab, of) is True
    dark = tab.run("document.documentElement.dataset.theme")
    tab.key("l")
    assert {dark, tab.run("document.documentElement.dataset.theme")} == {"dark", "light"}
    tab.run("ppktZoo.picking.pick(5)")
    tab.key("Escape")
    assert (state(tab, "state.picked"), state(tab, "panes[1].mode")) == (-1, "pca")
    tab.key("?", shift=True)
    assert tab.run("document.getElementById('help').open")
    assert (
        tab.run("document.querySelectorAll('#keys dt').length")
        == tab.run("document.querySelectorAll('#keys dd').length")
        > 10
    )
    assert tab.complaints == []


def test_a_picture_is_saved(tab: Tab, folder: Path) -> None:
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    tab.key("s")
    file = folder / "corner.png"
    tab.until(lambda: file.is_file() and file.stat().st_size > 1000, "the picture was saved")
    width, height = tab.run("[ppktZoo.canvas.width, ppktZoo.canvas.height]")
    picture = Image.open(file)
    assert picture.size == (width, height)
    assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 50


def test_mouse_turns_moves_and_zooms_and_a_drag_picks_nothing(tab: Tab) -> None:
    azimuth, target, far = state(tab, "camera.azimuth"), state(tab, "camera.target"), state(tab, "camera.distance")
    tab.drag((200, 300), (260, 300))
    assert state(tab, "camera.azimuth") < azimuth
    assert (state(tab, "camera.target"), state(tab, "state.picked")) == (target, -1)
    tab.drag((200, 300), (260, 320), button="right")
    assert state(tab, "camera.target") != target
    tab.mouse("mouseWheel", 200, 300, deltaX=0, deltaY=-200)
    tab.wait(f"ppktZoo.camera.distance < {far}")
    tab.wait("!ppktZoo.isMoving")
    assert tab.complaints == []


def test_fingers_turn_pinch_and_tap(tab: Tab) -> None:
    tab.resize(420, 800, mobile=True)
    tab.frame()
    first, second = tab.run("ppktZoo.panes.map((one) => one.element.getBoundingClientRect().top)")
    assert second > first + 100, "on a phone the panes lie one below the other"
    azimuth, far = state(tab, "camera.azimuth"), state(tab, "camera.distance")
    middle = first + 150
    tab.touch([(200, middle)], [(230, middle)], [(260, middle)])
    assert state(tab, "camera.azimuth") < azimuth
    tab.touch([(180, middle), (240, middle)], [(160, middle), (260, middle)], [(120, middle), (300, middle)])
    assert state(tab, "camera.distance") < far
    assert state(tab, "state.picked") == -1
    tab.run("ppktZoo.do('reset')")
    tab.frame()
    x, y, _ = tab.run(
        "ppktZoo.camera.project([1, 1, 0], ppktZoo.panes[0].element.clientWidth, ppktZoo.panes[0].element.clientHeight)"
    )
    tab.touch([(x, first + y)])
    tab.wait("ppktZoo.state.picked >= 0")
    assert tab.complaints == []


def test_the_panes_share_a_camera_and_show_each_others_pointer(tab: Tab) -> None:
    tab.mouse("mouseMoved", 220, 320)
    tab.frame()
    assert state(tab, "state.pointer.x") == pytest.approx(220, abs=1)
    ink = "ppktZoo.panes[{}].ink.getImageData(0, 0, 440, 480).data.filter((one, at) => at % 4 === 3 && one > 0).length"
    with_ghost = tab.run(ink.format(1))
    tab.run("ppktZoo.point(null)")
    tab.frame()
    assert with_ghost > tab.run(ink.format(1))


def test_the_scale_bar_is_as_long_as_it_says(tab: Tab) -> None:
    for far in (0.05, 0.8, 3.0, 70.0, 4000.0):
        tab.run(f"ppktZoo.camera.distance = {far}")
        scale, per_metre = tab.run("[ppktZoo.scale(480), ppktZoo.camera.pixelsPerMetre(480)]")
        number, unit = scale["text"].split(" ")
        metres = float(number) * {"mm": 1e-3, "cm": 1e-2, "m": 1, "km": 1e3}[unit]
        assert scale["pixels"] == pytest.approx(metres * per_metre)
        assert 60 <= scale["pixels"] <= 150


def test_without_webgl_it_says_so_and_shows_the_picture(folder: Path, page: Path) -> None:
    with Tab(folder / "plain", _SIZE, webgl=False) as tab:
        tab.open(page.as_uri(), "picture")
        assert "no WebGL2" in tab.run("document.getElementById('reason').textContent")
        assert tab.run("document.getElementById('picture').naturalWidth") > 600
        assert tab.run("getComputedStyle(document.getElementById('stage')).display") == "none"
        picture = seen(tab)[150:500, 40:600]
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
        assert tab.complaints == []


def test_it_shows_itself_in_a_frame_of_a_notebook(browser: Tab, folder: Path) -> None:
    xyz, rgb, features, _, _ = corner(600)
    frame = view(xyz, rgb, features, title="in a frame")._repr_html_()
    file = folder / "notebook.html"
    file.write_text(
        f"<!DOCTYPE html><meta charset=utf-8><body style='margin:0;background:#fff'>{frame}", encoding="utf-8"
    )
    browser.complaints.clear()
    browser.open(file.as_uri(), None)

    def is_shown() -> bool:
        colors = seen(browser)[120:]
        return bool((colors.max(axis=2) - colors.min(axis=2) > 60).mean() > 0.02)

    browser.until(is_shown, "the frame shows the features' colours")
    assert browser.complaints == []
