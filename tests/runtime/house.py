"""A runtime with real processes, as tests want to see it: install, call, look at what is left."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

import psutil

from cadence.errors import CadenceError
from cadence.model import InstallOptions, InstallResult, PluginRef
from cadence.parts import Parts
from cadence.runtime.slot import LivePlugin
from tests.building import archive_bytes, plugin_files

T = TypeVar("T")

#: For ever, for a test: what has not happened by then never will.
PATIENCE_SECONDS = 30.0

#: How many lines of a plugin's log a test sees.
LOG_LINES = 200

#: Tools that any plugin can have beside those a test is about.
PING = """
    import os
    from cadence_sdk import tool

    @tool
    def ping() -> int:
        "The process that answers, as the host counts it: it is in a namespace of its own."
        return int(os.readlink("/proc/self"))
"""


def eventually(condition: Callable[[], T], timeout: float = PATIENCE_SECONDS) -> T:
    """Wait until something is true, and give it."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{condition} did not come true within {timeout:g} s"
        time.sleep(0.01)
    return found


def with_ping(body: str, *tools: str) -> str:
    """The source of a tools.py that has ``ping``, what stands in ``body``, and offers ``tools`` too."""
    return f"{dedent(PING)}\n{dedent(body)}\nTOOLS = [{', '.join(('ping', *tools))}]\n"


class House:
    """One runtime.

    :param parts: closed by whoever made it.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.running = parts.start()
        self.live_set = self.running.live_set

    def install(self, tools: str, name: str = "demo_plugin", version: str = "1.0.0", **options: Any) -> InstallResult:
        """Install a plugin with these tools, over the same version where there is one."""
        return self.install_files(plugin_files(name, version, tools=tools, **options), name, version)

    def install_files(
        self, files: Mapping[str, str], name: str = "demo_plugin", version: str = "1.0.0"
    ) -> InstallResult:
        with self.running.receive() as file:
            file.write(archive_bytes(files))
            upload = file.finish(f"{name}-{version}.zip")
        return self.running.installer.install(upload, InstallOptions(force_overwrite=True))

    def call(self, tool: str, name: str = "demo_plugin", /, **arguments: Any) -> Any:
        return self.live_set.call(name, tool, arguments).result

    def live(self, name: str = "demo_plugin") -> LivePlugin:
        plugin = self.live_set.plugin(name)
        assert plugin is not None
        return plugin

    def meeting_place(self, name: str = "demo_plugin") -> Path:
        """The one folder where the test and a confined plugin both can make files and see each other's.

        It is the plugin's data directory and working directory, which is there once a first worker was started. Its
        owner may be a user of the plugin's own, who can see what the test makes there and delete it, but not write to
        it.
        """
        return self.parts.settings.instance / "data" / name

    def pid(self, name: str = "demo_plugin") -> int | None:
        return self.live(name).pid

    def log(self, name: str = "demo_plugin") -> list[str]:
        """The last lines of a plugin's log. Of one that does not run they may be on the disk only."""
        lines = self.running.logs.tail(name) or self.parts.log_files.read(name, None, LOG_LINES).lines
        return [line.text for line in lines]

    def await_replacement(self, pid: int | None, name: str = "demo_plugin") -> int:
        """Wait until another process than ``pid`` answers for the plugin, and give it."""
        return eventually(lambda: (now := self.pid(name)) != pid and now) or 0

    def workers(self) -> set[int]:
        """The processes that run a plugin of this house, or are about to."""
        zygote = self.running.zygote.pid
        children = psutil.Process(zygote).children(recursive=True) if zygote else []
        return {child.pid for child in children if self._runs_here(child)}

    def _runs_here(self, process: psutil.Process) -> bool:
        """Whether it is in the data folder of a plugin; the worker forked ahead, with no plugin yet, is not."""
        try:
            return Path(process.cwd()).is_relative_to(self.parts.settings.instance)
        except psutil.NoSuchProcess:
            return False

    def run_folders(self) -> set[str]:
        """The private folders of workers."""
        return {path.name for path in self.running.scratch_dir().iterdir()}

    def await_only(self, *names: str) -> None:
        """Wait until nothing is left but the workers of these plugins and their folders."""
        pids = {self.pid(name) for name in names}
        eventually(lambda: self.workers() == pids)
        eventually(lambda: len(self.run_folders()) == len(names))

    def installed(self) -> set[PluginRef]:
        return {record.ref for record in self.parts.index.versions()}


class Neighbour:
    """A thread that calls another plugin without pause, and what came of it."""

    def __init__(self, house: House, name: str) -> None:
        self._house = house
        self._name = name
        self._over = threading.Event()
        self.answers = 0
        self.failures: list[CadenceError] = []
        self._thread = threading.Thread(target=self._call)

    def _call(self) -> None:
        while not self._over.is_set():
            try:
                self._house.call("ping", self._name)
            except CadenceError as error:
                self.failures.append(error)
            else:
                self.answers += 1

    def await_progress(self) -> None:
        before = self.answers
        eventually(lambda: self.answers > before + 3)

    @contextmanager
    def calling(self) -> Iterator["Neighbour"]:
        self._thread.start()
        try:
            self.await_progress()
            yield self
        finally:
            self._over.set()
            self._thread.join()


@contextmanager
def undisturbed(house: House, name: str = "neighbour") -> Iterator[Neighbour]:
    """A neighbour that is called all the while, and that no call may fail of."""
    house.install(with_ping(""), name)
    with Neighbour(house, name).calling() as neighbour:
        yield neighbour
        neighbour.await_progress()
    assert neighbour.failures == []


@contextmanager
def threads(count: int) -> Iterator[Callable[..., Future[Any]]]:
    """Runs functions, each in a thread of its own; gives their futures."""
    with ThreadPoolExecutor(count) as pool:
        yield pool.submit
