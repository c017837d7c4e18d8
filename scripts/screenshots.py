"""The pictures of ``docs/pages.md``: a real server with the examples on it, looked at in light and dark.

``make screenshots`` writes ``docs/screenshots/<page>-<light|dark>.png``. Each has the size of its window, whatever the
page holds, and is refused when it is too large to be kept under version control.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Literal
from zipfile import ZIP_DEFLATED, ZipFile

import requests
from msgspec import Struct
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.server import cadence

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
PICTURES = ROOT / "docs" / "screenshots"
MAX_BYTES = 150_000
_SECONDS = 120.0
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
_SETTLED = "() => !document.querySelector(\".htmx-request, [hx-trigger='load']\")"

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


class Screenshot(Struct, frozen=True):
    """A page as it is to be seen: where it is, what is done on it first, and how large the window is."""

    name: str
    path: str
    act: Callable[[Page], object] = lambda _: None
    width: int = 1280
    height: int = 860


class Shop:
    """A server that does what an operator and some callers would have it do.

    :param address: without a slash at its end.
    """

    def __init__(self, address: str) -> None:
        self._api = f"{address}/api/v1"

    def post(self, path: str, **options: Any) -> requests.Response:
        """Ask for something; whether it is refused is the caller's business."""
        return requests.post(self._api + path, timeout=_SECONDS, **options)

    def install(self, slug: str, changed: Mapping[str, str | bytes] | None = None) -> None:
        """Upload an example, with some of its files changed, whether it can be installed or not."""
        folder = EXAMPLES / slug
        folder = folder if folder.is_dir() else EXAMPLES / "math_plugin-1.1.0"
        archive = packed(folder, changed or {})
        self.post("/plugins/upload", files={"file": (f"{slug}.zip", archive)})

    def call(self, name: str, tool: str, **arguments: object) -> None:
        """Call a tool, well or not."""
        self.post(f"/plugins/{name}/tools/{tool}", json=arguments)

    def ask(self, message: str) -> str:
        """Ask in a conversation, and give its id."""
        return str(self.post("/chat", json={"message": message}).json()["thread_id"])

    def failed_install(self) -> str:
        """The id of the latest install that failed."""
        found = requests.get(f"{self._api}/installs", timeout=_SECONDS).json()["installs"]
        return next(str(one["id"]) for one in found if one["state"] == "failed")


def packed(folder: Path, changed: Mapping[str, str | bytes]) -> bytes:
    """A folder as an archive; ``changed`` are files with their new text."""
    files: dict[str, str | bytes] = {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for path, text in {**files, **changed}.items():
            archive.writestr(path, text)
    return buffer.getvalue()


def wheel(name: str, version: str, *requires: str) -> bytes:
    """A package that does nothing, as a wheel (the binary distribution format of the Python packaging user guide)."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name}/__init__.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: cadence\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return buffer.getvalue()


def with_packages(slug: str) -> dict[str, str | bytes]:
    """An example's changed files, so that it brings packages, which lie in its archive."""
    project = (EXAMPLES / slug / "pyproject.toml").read_text()
    return {
        "pyproject.toml": project.replace("dependencies = [", 'dependencies = ["phrasebook>=1.2", '),
        "wheels/phrasebook-1.2.0-py3-none-any.whl": wheel("phrasebook", "1.2.0", "wordlist>=3"),
        "wheels/wordlist-3.0.1-py3-none-any.whl": wheel("wordlist", "3.0.1"),
    }


def talkative(slug: str) -> dict[str, str | bytes]:
    """The tools of the sensor, writing a log."""
    tools = (EXAMPLES / slug / "tools.py").read_text()
    tools = tools.replace("import os\n", "import logging\nimport os\n")
    tools = tools.replace("    return 21.5", '    logging.info("21.5 °C, read in 3 ms")\n    return 21.5')
    tools = tools.replace("    raise", '    logging.error("no answer from the sensor")\n        raise')
    return {
        "tools.py": tools.replace(
            "    broken_marker().touch()", '    logging.warning("somebody breaks it")\n    broken_marker().touch()'
        )
    }


def furnish(shop: Shop) -> list[Screenshot]:
    """Have something on the server, and say what is worth looking at."""
    for slug in ("math_plugin-1.0.0", "math_plugin-1.1.0", "parallel_plugin-1.0.0"):
        shop.install(slug)
    shop.install("sensor_plugin-1.0.0", talkative("sensor_plugin-1.0.0"))
    shop.install("text_plugin-1.0.0", with_packages("text_plugin-1.0.0"))
    for number in range(12):
        shop.call("math_plugin", "add", a=number, b=3)
        shop.call("text_plugin", "count_words", text="one two three")
    shop.call("math_plugin", "divide", a=1, b=0)
    shop.post("/plugins/math_plugin/activate", json={"version": "1.0.0"})
    shop.post("/plugins/math_plugin/rollback")
    for _ in range(3):
        shop.call("sensor_plugin", "read_temperature")
        shop.post("/plugins/sensor_plugin/health")
    for name in ("math_plugin", "text_plugin", "sensor_plugin"):
        shop.post(f"/plugins/{name}/health")
    shop.call("sensor_plugin", "break_sensor")
    shop.call("sensor_plugin", "read_temperature")
    for name in ("sensor_plugin", "math_plugin"):
        shop.post(f"/plugins/{name}/health")
    shop.install(
        "math_plugin-2.0.0", {"tools.py": "from cadence_sdk import tool\n\n\ndef add(a, b)\n    return a + b\n"}
    )
    shop.ask("count the words of 'tea for two'")
    thread = shop.ask("what is 12 times 7, and add 5 to it")
    return screenshots(shop.failed_install(), thread)


def screenshots(install_id: str, thread_id: str) -> list[Screenshot]:
    """What is to be seen, with an install that failed and a conversation."""
    math, sensor = "/plugins/math_plugin", "/plugins/sensor_plugin"
    return [
        Screenshot("upload", "/plugins"),
        Screenshot("plugins", "/plugins", act=_scrolled_to("#plugins-title")),
        Screenshot("plugins-phone", "/plugins", width=375, height=812),
        Screenshot("installs", "/installs"),
        Screenshot("install", f"/installs/{install_id}"),
        Screenshot("plugin", math),
        Screenshot("versions", f"{math}/versions"),
        Screenshot("compare", f"{math}/compare?from=1.0.0&to=1.1.0"),
        Screenshot("tools", f"{math}/tools?tool=power", act=_try_power),
        Screenshot("health", f"{sensor}/health"),
        Screenshot("logs", f"{sensor}/logs"),
        Screenshot("permissions", f"{math}/permissions"),
        Screenshot("packages", "/plugins/text_plugin/packages"),
        Screenshot("history", f"{math}/history"),
        Screenshot("chat", f"/chat/{thread_id}"),
        Screenshot("whole-history", "/history"),
        Screenshot("system", "/system"),
        Screenshot("graph", "/system", act=_scrolled_to("#graph-title")),
        Screenshot("disk", "/system", act=_scrolled_to("#disk-title")),
    ]


def _scrolled_to(selector: str) -> Callable[[Page], object]:
    """Have something stand at the top of the window, with some room above it."""
    return lambda page: page.locator(selector).evaluate("one => scrollTo(0, one.getBoundingClientRect().top - 40)")


def _try_power(page: Page) -> None:
    """Call the tool by its form."""
    for field, number in zip(page.locator(".tool-form input[type=text]").all(), ("2", "10"), strict=True):
        field.fill(number)
    page.locator(".tool-form .primary").click()
    expect(page.locator("#tool-result")).to_contain_text("1024")


def take(browser: Browser, address: str, wanted: Screenshot, scheme: Scheme, folder: Path) -> Path:
    """Take one picture.

    :raises ValueError: when it is too large.
    """
    context = browser.new_context(
        viewport={"width": wanted.width, "height": wanted.height},
        color_scheme=scheme,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
    )
    try:
        page = context.new_page()
        page.goto(address + wanted.path)
        page.wait_for_function(_SETTLED)
        wanted.act(page)
        page.mouse.move(0, 0)
        path = folder / f"{wanted.name}-{scheme}.png"
        page.screenshot(path=path)
    finally:
        context.close()
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path.name} has {size:,} bytes, more than {MAX_BYTES:,}. Make its window smaller.")
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def main(names: list[str]) -> None:
    """Take the pictures of these names, or all."""
    PICTURES.mkdir(exist_ok=True)
    # Everything is in the archives: neither a network nor what an index has today makes a difference.
    os.environ["CADENCE_OFFLINE"] = "true"
    with tempfile.TemporaryDirectory(prefix="cadence-") as folder, cadence(Path(folder) / "instance") as port:
        address = f"http://127.0.0.1:{port}"
        with chromium() as browser:
            for wanted in furnish(Shop(address)):
                for scheme in SCHEMES if not names or wanted.name in names else ():
                    path = take(browser, address, wanted, scheme, PICTURES)
                    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
