"""A headless Chromium, driven by the WebDriver protocol over plain HTTP."""

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's own name for a reference
KEYS = {"left": "\ue012", "right": "\ue014", "backspace": "\ue003", "space": " "}


def find_browser():
    """Return the paths of Chromium and its driver, or `None` where one is missing."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Browser:
    """One window.

    Args:
        address: Of the driver.
        browser: Path of Chromium.
        downloads: Where it saves files.
        profile: Its own folder.
        width: Of the window in pixels.
    """

    def __init__(self, address, *, browser, downloads, profile, width):
        self.address = address
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        arguments += [f"--user-data-dir={profile}", "--window-size=800,900"]
        mobile = {"deviceMetrics": {"width": width, "height": 800, "pixelRatio": 1, "touch": True}}
        options = {
            "binary": browser,
            "args": arguments,
            "prefs": {"download.default_directory": str(downloads)},
            "mobileEmulation": mobile,
        }
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self.session = self.call("POST", "/session", wanted)["sessionId"]

    def call(self, method, path, body=None):
        """Send a command; return its value."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def act(self, method, path, body=None):
        """Send a command to the window."""
        return self.call(method, f"/session/{self.session}{path}", body)

    def open(self, page):
        """Open a page from disk."""
        self.visit(page.resolve().as_uri())

    def visit(self, address):
        """Open a page by its address."""
        self.act("POST", "/url", {"url": address})

    def reload(self):
        """Load the page again."""
        self.act("POST", "/refresh", {})

    def run(self, script):
        """Return what a script of the page returns."""
        return self.act("POST", "/execute/sync", {"script": script, "args": []})

    def press(self, *names):
        """Press keys one after the other."""
        strokes = [
            {"type": kind, "value": KEYS[name]} for name in names for kind in ("keyDown", "keyUp")
        ]
        self.act("POST", "/actions", {"actions": [{"type": "key", "id": "k", "actions": strokes}]})

    def tap(self, selector):
        """Touch an element in its middle."""
        found = self.act("POST", "/element", {"using": "css selector", "value": selector})
        place = {"type": "pointerMove", "origin": {ELEMENT: found[ELEMENT]}, "x": 0, "y": 0}
        touch = [place, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        finger = {
            "type": "pointer", "id": "f", "parameters": {"pointerType": "touch"}, "actions": touch,
        }  # fmt: skip
        self.act("POST", "/actions", {"actions": [finger]})

    def wait(self, script):
        """Return what a script of the page returns, as soon as that is true."""
        for _ in range(300):
            if found := self.run(script):
                return found
            time.sleep(0.1)
        raise RuntimeError(f"never true: {script}")

    def picture(self):
        """Return what the window shows, as a PNG file."""
        return base64.b64decode(self.act("GET", "/screenshot"))

    def text(self):
        """Return the text that is to be seen."""
        return self.run("return document.body.innerText")


@contextlib.contextmanager
def opened_browser(folder, *, width):
    """Start a driver and a window of some width; files are saved into folder/downloads."""
    browser, driver = find_browser()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_ready(address)
        downloads = folder / "downloads"
        downloads.mkdir()
        window = Browser(
            address, browser=browser, downloads=downloads, profile=folder / "profile", width=width
        )
        try:
            yield window
        finally:
            window.act("DELETE", "")
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_ready(address):
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{address}/status", timeout=5) as answer:
                if json.load(answer)["value"]["ready"]:
                    return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.1)
    raise RuntimeError("the driver does not answer")


def wait_for_file(folder, pattern):
    """Return the file that appears in a folder."""
    for _ in range(300):
        if found := sorted(folder.glob(pattern)):
            return found[-1]
        time.sleep(0.1)
    raise RuntimeError(f"no {pattern} in {folder}")
