"""Chromium without a window, driven over its DevTools protocol: what a page says, does, asks for and looks like."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
VARIABLE = "PPKT_ZOO_CHROMIUM"
# A machine that does much else may take long to start a browser, and some that start never open their page.
_PATIENCE, _ATTEMPTS = 120.0, 3
_FLAGS = (
    "--headless=new", "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--mute-audio", "--hide-scrollbars",
    "--force-device-scale-factor=1", "--remote-debugging-port=0", "--remote-allow-origins=*",
)  # fmt: skip
# Software in place of a graphics card, so that every machine draws the same.
_SOFTWARE = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")


def find_chromium() -> str | None:
    """The browser's path: that of the environment variable, or the first by name; None where there is none."""
    if named := os.environ.get(VARIABLE):
        return named if Path(named).is_file() else None
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def why_not() -> str | None:
    """Why no browser can be driven here, or None."""
    if find_chromium() is None:
        return f"no Chromium: install it (apt-get install chromium), or name it in {VARIABLE}"
    try:
        import websocket  # noqa: F401
    except ImportError:
        return "websocket-client is not installed: it comes with the extra ppkt-zoo[test]"
    return None


def need_chromium() -> None:
    """Skip the test, with the reason, where no browser can be driven."""
    if reason := why_not():
        pytest.skip(reason)


class PageError(AssertionError):
    """A script in the page failed."""


class Tab:
    """A browser with one page.

    Attributes:
        requests: the address of everything that the page asked for.
        complaints: errors and warnings of its console, exceptions that nobody caught, and policies it broke.
    """

    def __init__(
        self, folder: Path, size: tuple[int, int] = (1200, 760), webgl: bool = True, flags: tuple[str, ...] = ()
    ):
        import websocket

        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._number = 0
        root = ("--no-sandbox",) if sys.platform.startswith("linux") else ()
        graphics = _SOFTWARE if webgl else ("--disable-gpu", "--disable-3d-apis")
        window = f"--window-size={size[0]},{size[1]}"
        command = [find_chromium() or "", *_FLAGS, *root, *graphics, *flags, window]
        target = self._start(command, folder)
        try:
            self._socket = websocket.create_connection(target, timeout=_PATIENCE, suppress_origin=True)
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.call(f"{domain}.enable")
            self.resize(*size)
        except BaseException:
            self._end()
            raise

    def _start(self, command: list[str], folder: Path) -> str:
        """Start the browser, again where it opens no page; the address of its page."""
        for attempt in range(1, _ATTEMPTS):
            with suppress(RuntimeError):
                return self._start_once(command, folder / f"profile{attempt}")
        return self._start_once(command, folder / f"profile{_ATTEMPTS}")

    def _start_once(self, command: list[str], profile: Path) -> str:
        words = [*command, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._address = f"http://127.0.0.1:{self._port(profile / 'DevToolsActivePort')}"
            return self._first_page()
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _port(self, file: Path) -> int:
        until = time.monotonic() + _PATIENCE / _ATTEMPTS
        while time.monotonic() < until:
            if file.is_file() and (words := file.read_text().split()):
                return int(words[0])
            if self._process.poll() is not None:
                raise RuntimeError(f"Chromium ended with {self._process.returncode}")
            time.sleep(0.05)
        raise RuntimeError("Chromium did not start")

    def _first_page(self) -> str:
        until = time.monotonic() + _PATIENCE / _ATTEMPTS
        while time.monotonic() < until and self._process.poll() is None:
            # The file with the port is there a moment before the browser listens.
            with suppress(urllib.error.URLError):
                for one in self._known("list"):
                    if one["type"] == "page":
                        return str(one["webSocketDebuggerUrl"])
            time.sleep(0.05)
        raise RuntimeError("Chromium opened no page")

    def _known(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self._address}/json/{what}", timeout=_PATIENCE) as answer:
            return json.load(answer)

    def processor_seconds(self) -> float:
        """Processor time of all processes of the browser so far."""
        import websocket

        browser = websocket.create_connection(
            self._known("version")["webSocketDebuggerUrl"], timeout=_PATIENCE, suppress_origin=True
        )
        try:
            browser.send(json.dumps({"id": 1, "method": "SystemInfo.getProcessInfo"}))
            answer = json.loads(browser.recv())
        finally:
            browser.close()
        return float(sum(one["cpuTime"] for one in answer["result"]["processInfo"]))

    def __enter__(self) -> "Tab":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._end()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol, and its answer; events on the way are noted."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                if "error" in message:
                    raise PageError(f"{method}: {message['error']['message']}")
                answer: dict[str, Any] = message["result"]
                return answer
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        about = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(about["request"]["url"])
            case "Runtime.exceptionThrown":
                details = about["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description") or details["text"])
            case "Runtime.consoleAPICalled" if about["type"] in ("error", "warning", "assert"):
                self.complaints.append(" ".join(str(one.get("value", one.get("description"))) for one in about["args"]))
            case "Log.entryAdded" if about["entry"]["level"] in ("error", "warning"):
                self.complaints.append(about["entry"]["text"])

    def resize(self, width: int, height: int, mobile: bool = False) -> None:
        """The page's size in pixels; a phone's has touch."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.call("Emulation.setTouchEmulationEnabled", enabled=mobile)

    def open(self, address: str, state: str | None = "ready") -> float:
        """Open an address and wait until the page says that it is in this state; seconds that took."""
        began = time.monotonic()
        self.call("Page.navigate", url=address)
        if state is not None:
            self.wait(f"document.documentElement?.dataset.state === {json.dumps(state)}")
        return time.monotonic() - began

    def run(self, script: str) -> Any:
        """The value of an expression, which may be a promise, in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until an expression is true."""
        until = time.monotonic() + _PATIENCE
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > until:
                raise PageError(f"never came true: {condition}; the page said {self.complaints}")
            time.sleep(0.02)

    def frame(self) -> None:
        """Until the page has drawn what it was told."""
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """``mousePressed``, ``mouseMoved``, ``mouseReleased`` or ``mouseWheel`` at a place of the page."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x: float, y: float) -> None:
        """A click with the left button."""
        self.mouse("mouseMoved", x, y)
        for kind, buttons in (("mousePressed", 1), ("mouseReleased", 0)):
            self.mouse(kind, x, y, button="left", buttons=buttons, clickCount=1)

    def drag(self, start: tuple[float, float], end: tuple[float, float], button: str = "left") -> None:
        """Press, move in some steps, release."""
        held = {"left": 1, "right": 2}[button]
        self.mouse("mouseMoved", *start)
        self.mouse("mousePressed", *start, button=button, buttons=held, clickCount=1)
        for part in (0.25, 0.5, 0.75, 1.0):
            x, y = (a + part * (b - a) for a, b in zip(start, end, strict=True))
            self.mouse("mouseMoved", x, y, button=button, buttons=held)
        self.mouse("mouseReleased", *end, button=button, clickCount=1)

    def touch(self, *steps: list[tuple[float, float]]) -> None:
        """Fingers that go down at the first places, move through the others, and are lifted."""
        for number, places in enumerate(steps):
            points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
            self.call("Input.dispatchTouchEvent", type="touchMove" if number else "touchStart", touchPoints=points)
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def key(self, key: str, shift: bool = False) -> None:
        """A key, pressed and released."""
        what = {"key": key, "modifiers": 8 if shift else 0} | ({"text": key} if len(key) == 1 else {})
        self.call("Input.dispatchKeyEvent", type="keyDown", **what)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def picture(self) -> bytes:
        """What is seen, as PNG; asked for again where a page is just about to change."""
        until = time.monotonic() + _PATIENCE
        while "data" not in (found := self._captured()) and time.monotonic() < until:
            time.sleep(0.1)
        return base64.b64decode(found["data"])

    def _captured(self) -> dict[str, Any]:
        try:
            return self.call("Page.captureScreenshot", format="png")
        except PageError:
            return {}

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Until something outside of the page is true."""
        end = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise PageError(f"never happened: {what}")
            self.run("0")
            time.sleep(0.05)
