"""Plugins whose environment holds all they import: their workers are fresh interpreters, and otherwise like others."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from cadence.config import SandboxMode, Settings
from cadence.errors import LimitReached, ToolRaised, ValidationFailed, WorkerEnded
from cadence.model import Limits
from cadence.parts import Parts, Running
from cadence.runtime.zygote import Zygote
from cadence_sdk._runtime import wire
from cadence_sdk._runtime.endpoint import Endpoint
from tests.processes import is_over
from tests.runtime.house import House, eventually, with_ping
from tests.runtime.isolation import EVERYTHING, copy_packages, isolating

SEEN = """
    import json, sys, typing
    from importlib import import_module, metadata

    @tool
    def seen() -> dict:
        "What can be imported, and what is."
        import langchain_core.tools, msgspec._core, packaging, pydantic_core._pydantic_core, typing_extensions
        return {
            "files": {name: getattr(module, "__file__", None) for name, module in sys.modules.items()},
            "versions": {name: metadata.version(name) for name in ("msgspec", "pydantic", "typing_extensions")},
            "path": sys.path,
            "libraries": sorted({line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}),
            "strangers": sorted(
                name for name, value in vars(typing).items()
                if callable(value) and (getattr(value, "__module__", "typing") or "").startswith("typing_ext")
            ),
        }

    @tool
    def find(name: str) -> str:
        "Import a module, and say from where."
        return import_module(name).__file__

    @tool
    def run_python(source: str) -> str:
        "What a process prints that runs this."
        import subprocess
        return subprocess.run([sys.executable, "-c", source], stdout=-1, stderr=-2, text=True).stdout

    @tool
    def variable(name: str) -> str:
        "A variable of the environment."
        return os.environ.get(name, "")

    @tool
    def connect(host: str, port: int) -> str:
        "What a server says."
        import socket
        with socket.create_connection((host, port)) as connection:
            return connection.recv(100).decode()

    KEPT = []

    @tool
    def hog(mib: int) -> int:
        "Take memory, all at once."
        KEPT.append(b"x" * (mib << 20))
        return mib

    @tool
    def crash() -> None:
        "Crash."
        import ctypes
        ctypes.string_at(0)
"""
TOOLS = with_ping(SEEN, "seen", "find", "run_python", "variable", "connect", "hog", "crash")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that workers have preloaded."""
    return copy_packages(tmp_path_factory.mktemp("isolated") / "packages")


@pytest.fixture
def isolated(settings: Settings, packages: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house with zygotes of its own, where an isolated plugin and a shared one are live."""
    monkeypatch.setattr(Running, "_dependencies", isolating(packages))
    parts = Parts(settings)
    house = House(parts)
    house.install(TOOLS, dependencies=(EVERYTHING,))
    house.install(TOOLS, "shared_plugin")
    yield house
    parts.close()


def packages_of(house: House) -> Path:
    (folder,) = (house.parts.settings.instance / "environments").glob("[!.]*")
    return folder


def zygotes(house: House) -> tuple[int, int]:
    """The processes of the warm one and of the bare one."""
    warm, bare = house.running.zygote.pid, house.running.bare_zygote.pid
    assert warm
    assert bare
    return warm, bare


def ancestors(pid: int | None) -> set[int]:
    return {process.pid for process in psutil.Process(pid).parents()}


def test_an_isolated_plugin_answers_and_all_others_are_forked_from_the_warm_zygote(isolated: House) -> None:
    warm, bare = zygotes(isolated)
    assert isolated.call("ping") == isolated.pid()
    assert isolated.call("ping", "shared_plugin") == isolated.pid("shared_plugin")
    assert {warm, bare} & ancestors(isolated.pid()) == {bare}
    assert {warm, bare} & ancestors(isolated.pid("shared_plugin")) == {warm}


def test_without_an_isolated_plugin_there_is_no_bare_zygote(settings: Settings, zygote: Zygote) -> None:
    parts = Parts(settings, zygote)
    house = House(parts)
    try:
        house.install(with_ping(""))
        assert house.call("ping")
        assert house.running.bare_zygote.pid is None
    finally:
        parts.close()


def test_an_isolated_plugin_has_the_packages_of_its_environment_and_no_others(isolated: House) -> None:
    seen = isolated.call("seen")
    environment = packages_of(isolated)
    own = [name for name in seen["files"] if name.partition(".")[0] in ("msgspec", "pydantic", "pydantic_core")]
    assert {"msgspec._core", "pydantic_core._pydantic_core"} < set(own)
    for name in (*own, "typing_extensions", "langchain_core", "packaging"):
        assert Path(seen["files"][name]).is_relative_to(environment), name
    sdk = Path(wire.__file__).parents[1]
    instance = isolated.parts.settings.instance
    pythons = Path(os.__file__).parent
    strangers = {
        name: file
        for name, file in seen["files"].items()
        if file and not any(Path(file).is_relative_to(place) for place in (environment, sdk, instance))
        if not Path(file).is_relative_to(pythons) or "site-packages" in file
    }
    assert strangers == {}
    assert seen["files"]["cadence_sdk"] == str(sdk / "__init__.py")
    assert not [entry for entry in seen["path"] if "site-packages" in entry]
    assert not [file for file in seen["libraries"] if "site-packages" in file]


@pytest.mark.parametrize("name", ["flask", "cadence", "sqlite_utils", "_pytest", "setuptools"])
def test_an_isolated_plugin_cannot_import_what_only_the_server_has(isolated: House, name: str) -> None:
    with pytest.raises(ToolRaised, match=f"ModuleNotFoundError: No module named '{name}'"):
        isolated.call("find", name=name)


def test_the_same_import_succeeds_in_a_forked_worker(isolated: House) -> None:
    assert "flask" in isolated.call("find", "shared_plugin", name="flask")


def test_the_bare_zygote_has_loaded_no_package(isolated: House, tmp_path: Path) -> None:
    """Neither of the server nor of a plugin, from which every later worker would inherit."""
    _, bare = zygotes(isolated)
    family = [psutil.Process(bare), *psutil.Process(bare).children(recursive=True)]
    plugin = isolated.pid()
    for process in family:
        if process.pid == plugin:
            continue
        files = {mapping.path for mapping in process.memory_maps(grouped=True)}
        assert not {file for file in files if "site-packages" in file or str(tmp_path) in file}


def test_a_process_that_an_isolated_plugin_starts_finds_none_of_the_servers_packages_either(isolated: House) -> None:
    grant(isolated, processes=4)
    tried = "import importlib.util as u; print([bool(u.find_spec(n)) for n in ('flask', 'msgspec', 'json')])"
    assert isolated.call("run_python", source=tried) == "[False, False, True]\n"


def test_a_killed_bare_zygote_is_replaced_and_only_isolated_plugins_notice(isolated: House) -> None:
    warm, bare = zygotes(isolated)
    before, shared = isolated.pid(), isolated.pid("shared_plugin")
    os.kill(bare, signal.SIGKILL)
    isolated.await_replacement(before)
    eventually(lambda: answers(isolated))
    assert isolated.running.bare_zygote.pid not in (bare, None)
    assert isolated.running.zygote.pid == warm
    assert isolated.pid("shared_plugin") == shared == isolated.call("ping", "shared_plugin")


def test_a_killed_warm_zygote_is_replaced_and_isolated_plugins_do_not_notice(isolated: House) -> None:
    warm, bare = zygotes(isolated)
    before, shared = isolated.pid(), isolated.pid("shared_plugin")
    os.kill(warm, signal.SIGKILL)
    isolated.await_replacement(shared, "shared_plugin")
    assert isolated.pid() == before == isolated.call("ping")
    assert isolated.running.bare_zygote.pid == bare


def grant(house: House, **given: Any) -> None:
    house.running.granter.grant("demo_plugin", lambda _: given)


def answers(house: House) -> bool:
    with contextlib.suppress(WorkerEnded):
        return bool(house.call("ping") == house.pid())
    return False


def test_an_isolated_plugin_that_crashed_comes_back(isolated: House) -> None:
    before = isolated.pid()
    with pytest.raises(WorkerEnded):
        isolated.call("crash")
    isolated.await_replacement(before)
    eventually(lambda: answers(isolated))


def test_closing_leaves_no_process(isolated: House) -> None:
    family = [process for pid in zygotes(isolated) for process in psutil.Process(pid).children(recursive=True)]
    family += [psutil.Process(pid) for pid in zygotes(isolated)]
    isolated.parts.close()
    eventually(lambda: all(is_over(process) for process in family))
    assert isolated.running.bare_zygote.pid is None


class TestGrants:
    """What an operator grants holds in a fresh interpreter too."""

    def test_an_environment_value(self, isolated: House) -> None:
        grant(isolated, env={"GIVEN": "a value"})
        assert isolated.call("variable", name="GIVEN") == "a value"

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_an_endpoint(self, isolated: House, host: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            with pytest.raises(ToolRaised, match="not granted"):
                isolated.call("connect", host=host, port=port)
            grant(isolated, network=[f"{host}:{port}"])
            with said_to_whoever_comes(listening, "hello"):
                assert isolated.call("connect", host=host, port=port) == "hello"

    def test_processes(self, isolated: House) -> None:
        grant(isolated, processes=4)
        assert isolated.call("run_python", source="print(6 * 7)") == "42\n"


@contextlib.contextmanager
def said_to_whoever_comes(listening: socket.socket, words: str) -> Iterator[None]:
    program = f"import socket; c, _ = socket.socket(fileno=0).accept(); c.sendall({words.encode()!r}); c.close()"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=listening.fileno())
    try:
        yield
    finally:
        process.kill()
        process.wait()


class TestMemory:
    """LangChain and all else it brings is the plugin's own here, and counts as its own."""

    @pytest.fixture
    def tight(self, settings: Settings, packages: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
        monkeypatch.setattr(Running, "_dependencies", isolating(packages))
        parts = Parts(replace(settings, plugin_memory_mb=160))
        yield House(parts)
        parts.close()

    def test_what_passes_the_limit_is_said_to(self, tight: House) -> None:
        tight.install(TOOLS, dependencies=(EVERYTHING,))
        assert tight.call("hog", mib=16) == 16
        with pytest.raises(LimitReached, match="memory limit of 160 MiB reached"):
            tight.call("hog", mib=200)

    def test_a_crash_near_the_limit_is_told_as_such_and_another_is_not(self, tight: House) -> None:
        tight.install(TOOLS, dependencies=(EVERYTHING,))
        before = tight.pid()
        with pytest.raises(WorkerEnded) as far:
            tight.call("crash")
        assert "near its memory limit" not in str(far.value)
        tight.await_replacement(before)
        tight.call("hog", mib=100)
        with pytest.raises(WorkerEnded, match="near its memory limit of 160 MiB"):
            tight.call("crash")

    def test_packages_that_do_not_fit_into_the_limit_refuse_the_plugin_in_words(self, tight: House) -> None:
        tight.install(TOOLS)
        grant(tight, memory_mb=16)
        with pytest.raises(ValidationFailed, match="memory limit of 16 MiB reached"):
            tight.install(TOOLS, dependencies=(EVERYTHING,))


HOSTILE = """
import os, sys

def tried(what, *arguments):
    try:
        what(*arguments)
    except OSError as error:
        print("hostile:", os.readlink("/proc/self"), type(error).__name__, flush=True)
    else:
        print("hostile:", os.readlink("/proc/self"), "succeeded", flush=True)

tried(open, SECRET)
tried(os.listdir, "/")
tried(os.fork)
"""


def linked(packages: Path, into: Path, *left_out: str) -> Path:
    """The same packages but for some."""
    shutil.copytree(packages, into, copy_function=os.link, ignore=lambda folder, names: set(left_out) & set(names))
    return into


@pytest.mark.parametrize("module", ["msgspec/__init__.py", "packaging/__init__.py", "asyncio.py", "sitecustomize.py"])
def test_what_an_environment_holds_runs_in_the_locked_down_worker_or_nowhere(
    module: str, settings: Settings, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    hostile = linked(packages, tmp_path / "hostile", module.partition("/")[0]) / module
    hostile.parent.mkdir(exist_ok=True)
    hostile.write_text(f"SECRET = {str(secret)!r}\n{HOSTILE}")
    (tmp_path / "hostile" / "hook.pth").write_text(f"import sys; exec(open({str(hostile)!r}).read())\n")
    monkeypatch.setattr(Running, "_dependencies", isolating(tmp_path / "hostile"))
    parts = Parts(settings)
    house = House(parts)
    try:
        if module == "sitecustomize.py":
            house.install(TOOLS, dependencies=(EVERYTHING,))
        else:
            with pytest.raises(ValidationFailed):
                house.install(TOOLS, dependencies=(EVERYTHING,))
        lines = [line.split() for line in house.log()]
        outcomes = [line[2] for line in lines if line[0] == "hostile:"]
        assert outcomes == ([] if module == "sitecustomize.py" else ["PermissionError"] * 3)
    finally:
        parts.close()


def test_a_package_that_the_environment_lacks_refuses_the_plugin_by_name(
    settings: Settings, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = linked(packages, tmp_path / "lacking", "langchain_core")
    monkeypatch.setattr(Running, "_dependencies", isolating(lacking))
    parts = Parts(settings)
    try:
        with pytest.raises(ValidationFailed, match="No module named 'langchain_core'"):
            House(parts).install(TOOLS, dependencies=(EVERYTHING,))
    finally:
        parts.close()


def test_an_isolated_plugin_runs_where_nothing_confines_it_too(
    settings: Settings, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Running, "_dependencies", isolating(packages))
    parts = Parts(replace(settings, sandbox=SandboxMode.OFF))
    house = House(parts)
    try:
        house.install(TOOLS, dependencies=(EVERYTHING,))
        assert house.call("ping") == house.pid()
        with pytest.raises(ToolRaised, match="No module named 'flask'"):
            house.call("find", name="flask")
    finally:
        parts.close()


STAND_IN = Path(wire.__file__).with_name("bare")
COMPARED = """
import json, sys
sys.path[:0] = {path!r}
from cadence_sdk._runtime import wire
from cadence_sdk._runtime.endpoint import Endpoint
from cadence_sdk._runtime.limits import Limits
from cadence_sdk._runtime.report import Layer
spec = wire.decode_spec({spec!r})
messages = [wire.Ready((Layer("a", "b", True), Layer("c", "d", False, "e")), asks=True), wire.Spawned(1, 2),
            wire.SpawnFailed(1, "no"), wire.Exited(3, 9, 100)]
print(json.dumps({{
    "limits": [spec.limits.memory_bytes, *map(str, spec.network)], "secret": "B" in repr(spec),
    "again": json.loads(wire.encode(spec)),
    "messages": [json.loads(wire.encode(message)) for message in messages],
    "spawn": wire.decode_spawn(b'{{"type": "spawn", "id": 7}}').id, "package": sys.modules["msgspec"].__file__,
}}))
"""


def test_what_stands_for_msgspec_before_the_lockdown_reads_and_writes_as_it_does() -> None:
    spec = wire.encode(
        wire.WorkerSpec(
            *("name", "1.0", "/package", "/data", "/tmp"),
            max_message_bytes=10,
            env={"A": "B"},
            limits=Limits(memory_mb=3),
            network=(Endpoint("example.org", 443), Endpoint("10.0.0.1", 80, private=True)),
            user=7,
        )
    )

    def told(*options: str, path: list[str]) -> dict[str, Any]:
        program = COMPARED.format(path=path, spec=spec)
        return dict(json.loads(subprocess.check_output([sys.executable, "-I", *options, "-c", program], text=True)))

    real, stands = told(path=[]), told("-S", path=[str(STAND_IN.with_name("alone")), str(STAND_IN)])
    assert Path(stands.pop("package")).parent == STAND_IN
    assert Path(real.pop("package")).parent != STAND_IN
    assert stands == real
