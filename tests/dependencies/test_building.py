import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from cadence.dependencies.building import NEEDED, Workbench, Workshop
from cadence.dependencies.command import Ended, IndexOptions, Output, Uv
from cadence.dependencies.environment import Environments
from cadence.dependencies.installation import Dependencies, Order
from cadence.dependencies.lock import parse
from cadence.errors import Cancelled, DependenciesFailed
from cadence.progress import Progress
from cadence.runtime.gateway import Gateway
from cadence.runtime.notification import receive_listener
from cadence_sdk._runtime.build_call import Call, Hook
from cadence_sdk._runtime.build_stage import used_bytes
from cadence_sdk._runtime.build_watch import BuildLimits, Exceeded, Watch
from cadence_sdk._runtime.endpoint import parse_endpoint
from cadence_sdk._runtime.process import die_with_parent
from cadence_sdk._runtime.report import Layer
from tests.dependencies import hostile_acts
from tests.dependencies.backends import acting, distribution
from tests.dependencies.shelf import await_true
from tests.processes import name_of

ROOT = os.geteuid() == 0
HOOKS = ("metadata", "wheel")
#: What an ordinary user may not do either.
OF_ROOT = {"make_a_device", "enter_a_namespace", "become_root_again"}
COMPLETE = tuple(Layer(name, "", active=True) for name in NEEDED)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder of source distributions that stands for a package index."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    return folder


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "workshop", lambda: COMPLETE)


@pytest.fixture
def bench(workshop: Workshop) -> Iterator[Workbench]:
    with workshop.workbench(Order(("it",))) as bench:
        yield bench


def builder(bench: Workbench, shelf: Path, **options: Any) -> Uv:
    """A uv that takes sources from the shelf and builds them on the bench."""
    index = IndexOptions(find_links=(shelf,), no_index=True, cache=bench.cache)
    return Uv(**{"idle_seconds": 60, "options": index, "python": bench.python, "builds": True, **options})


def resolved(uv: Uv, *names: str) -> Output:
    return uv.run("compile", "-", "--generate-hashes", "--no-header", "--annotation-style=line", stdin="\n".join(names))


def installed(uv: Uv, lock: str, target: Path) -> Output:
    return uv.run(
        "install",
        "--requirements=-",
        f"--target={target}",
        "--require-hashes",
        "--no-deps",
        "--compile-bytecode",
        "--link-mode=copy",
        stdin=lock,
    )


def built(uv: Uv, target: Path, *names: str) -> None:
    """Resolve, build and install into a folder."""
    lock = resolved(uv, *names)
    assert lock.code == 0, lock.words
    output = installed(uv, lock.stdout, target)
    assert output.code == 0, output.words


def told(target: Path, name: str) -> dict[str, Any]:
    """What the hooks of a package returned that was installed."""
    return {hook: json.loads((target / name / f"{hook}.json").read_text()) for hook in HOOKS}


def answer(target: Path, code: str) -> str:
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def with_argument(marker: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if marker in _arguments(process)]


def _arguments(process: psutil.Process) -> list[str]:
    """None of one that has ended, whether it was waited for or not."""
    try:
        return process.cmdline() if process.status() != psutil.STATUS_ZOMBIE else []
    except psutil.Error:
        return []


# What is built, works.


def test_a_pure_package_is_built_and_importable(bench: Workbench, shelf: Path, tmp_path: Path) -> None:
    acting(shelf, "honest")
    target = tmp_path / "target"
    built(builder(bench, shelf), target, "honest")
    assert answer(target, "import honest; print(honest.version)") == "1.0"
    assert list((target / "honest" / "__pycache__").glob("*.pyc"))


COMPILES = """
import pathlib, subprocess, sys, sysconfig

def act(hook):
    return None

def files():
    name = "compiled" + sysconfig.get_config_var("EXT_SUFFIX")
    include = sysconfig.get_paths()["include"]
    subprocess.run(["gcc", "-shared", "-fPIC", f"-I{include}", "compiled.c", "-o", name], check=True)
    return {name: pathlib.Path(name).read_bytes()}
"""
EXTENSION = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "compiled", 0, -1, methods};
PyMODINIT_FUNC PyInit_compiled(void) { return PyModule_Create(&module); }
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="this machine has no C compiler")
def test_a_c_extension_is_built_and_importable(bench: Workbench, shelf: Path, tmp_path: Path) -> None:
    acting(shelf, "withc", COMPILES, files={"compiled.c": EXTENSION})
    built(builder(bench, shelf), tmp_path / "target", "withc")
    assert answer(tmp_path / "target", "import compiled; print(compiled.answer())") == "42"


def test_build_requirements_come_from_the_index(bench: Workbench, shelf: Path, tmp_path: Path) -> None:
    setup = "from setuptools import setup\nsetup(name='cadence_oldstyle', version='1.0', py_modules=['oldstyle'])\n"
    distribution(shelf, "cadence_oldstyle", {"setup.py": setup, "oldstyle.py": "version = 'old'\n"})
    project = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    project += '[project]\nname = "cadence_newstyle"\nversion = "1.0"\n'
    distribution(
        shelf, "cadence_newstyle", {"pyproject.toml": project, "cadence_newstyle/__init__.py": "version = 1\n"}
    )
    index = IndexOptions(find_links=(shelf,), cache=bench.cache)
    uv = builder(bench, shelf, options=index)
    built(uv, tmp_path / "target", "cadence_oldstyle==1.0", "cadence_newstyle==1.0")
    code = "import oldstyle, cadence_newstyle; print(oldstyle.version, cadence_newstyle.version)"
    assert answer(tmp_path / "target", code) == "old 1"


class NoMemory:
    """Remembers no resolution."""

    def find_resolution(self, inputs: str) -> str | None:
        return None

    def keep_resolution(self, inputs: str, environment: str, lock: str) -> None:
        pass


@pytest.fixture
def dependencies(workshop: Workshop, shelf: Path, tmp_path: Path) -> Dependencies:
    return Dependencies(
        Environments(tmp_path / "environments"),
        NoMemory(),
        idle_seconds=60,
        allow_sdist=True,
        options=IndexOptions(find_links=(shelf,), no_index=True, cache=tmp_path / "shared"),
        workshop=workshop.workbench,
    )


def test_a_plugin_gets_what_has_no_wheel(dependencies: Dependencies, shelf: Path, tmp_path: Path) -> None:
    acting(shelf, "cadence_built")
    progress = Progress(0.0)
    planned = dependencies.plan(Order(("cadence_built>=1",)), progress)
    provided = dependencies.provide(planned, progress)
    assert provided.path is not None
    assert answer(provided.path, "import cadence_built; print(cadence_built.version)") == "1.0"
    # What was built is in no cache that other installs take from.
    assert not [path for path in tmp_path.glob("shared/**/*") if "cadence_built" in path.name and path.suffix == ".whl"]
    assert list((tmp_path / "workshop").iterdir()) == []


SURROUNDINGS = """
import multiprocessing, os, subprocess, sys, tempfile

def _double(number):
    return 2 * number

def act(hook):
    code = "import sys; print(sys.prefix)"
    with tempfile.NamedTemporaryFile() as file, multiprocessing.Pool(2) as pool:
        return {
            "prefix": sys.prefix,
            "of a child": subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip(),
            "by name": subprocess.run(["python", "-c", code], capture_output=True, text=True).stdout.strip(),
            "in a group": subprocess.run(["true"], process_group=0).returncode,
            "environment": sorted(os.environ),
            "temporary": os.path.dirname(file.name) == os.environ["TMPDIR"],
            "pool": pool.map(_double, [1, 2]),
            "user": os.getuid(),
            "here before": sorted(name for name in os.listdir() if name.startswith("before")),
            "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:3],
            "kept": open("before-" + hook, "w").write(hook),
        }
"""


@pytest.fixture
def surroundings(bench: Workbench, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("CADENCE_TEST_SECRET", "hush")
    monkeypatch.setenv("PYTHONPATH", str(shelf))
    acting(shelf, "curious", SURROUNDINGS)
    built(builder(bench, shelf), tmp_path / "target", "curious")
    return told(tmp_path / "target", "curious")


def test_a_build_finds_itself_in_its_build_environment(bench: Workbench, surroundings: dict[str, Any]) -> None:
    for found in surroundings.values():
        assert found["prefix"].startswith(str(bench.cache))
        assert found["of a child"] == found["by name"] == found["prefix"]


def test_a_build_can_do_what_builds_do(surroundings: dict[str, Any]) -> None:
    for found in surroundings.values():
        assert found["temporary"]
        assert found["pool"] == [2, 4]
        assert found["in a group"] == 0
    assert surroundings["wheel"]["here before"] == ["before-metadata"]


def test_a_build_gets_nothing_of_the_servers_environment(surroundings: dict[str, Any]) -> None:
    allowed = {"PATH", "LANG", "HOME", "TMPDIR", "PYTHONIOENCODING", "PYTHONUNBUFFERED", "VIRTUAL_ENV", "LC_CTYPE"}
    for found in surroundings.values():
        assert set(found["environment"]) <= allowed


@pytest.mark.skipif(not ROOT, reason="only root can become someone else")
def test_under_a_root_server_a_build_is_not_root(surroundings: dict[str, Any]) -> None:
    users = {found["user"] for found in surroundings.values()}
    assert len(users) == 1
    assert min(users) > 0


# What is tried, fails: everything twice, without the sandbox, where it works, and with it.


class Targets:
    """What hostile builds are after, on this host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sleeping: list[subprocess.Popen[bytes]] = []
        self._sockets = [
            socket.create_server(("127.0.0.1", 0)),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            socket.socket(socket.AF_UNIX),
            socket.socket(socket.AF_UNIX),
        ]
        tcp, udp, unix, abstract = self._sockets
        self.udp = udp
        udp.bind(("127.0.0.1", 0))
        marker = f"cadence-{os.getpid()}-{folder.name}"
        with Within(folder):
            unix.bind("socket")
        abstract.bind(f"\0{marker}")
        for listening in (unix, abstract):
            listening.listen()
        for name in ("index.db", "secret"):
            (folder / name).write_text("hush")
        for name in ("outside", "cache", "environments", "private"):
            (folder / name).mkdir()
        (folder / "private").chmod(0o700)
        self.victims = {hook: self._sleep() for hook in HOOKS}
        self.given = {
            "index": str(folder / "index.db"),
            "secret": str(folder / "secret"),
            "environments": str(folder / "environments"),
            "outside": str(folder / "outside"),
            "cache": str(folder / "cache"),
            "private": str(folder / "private"),
            "server": os.getpid(),
            "bystander": self._sleep().pid,
            "victims": {hook: victim.pid for hook, victim in self.victims.items()},
            "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "unix": str(folder / "socket"),
            "marker": marker,
        }

    def close(self) -> None:
        for process in self._sleeping:
            process.kill()
            process.wait()
        for one in self._sockets:
            one.close()

    def _sleep(self) -> subprocess.Popen[bytes]:
        self._sleeping.append(subprocess.Popen(["sleep", "600"]))
        return self._sleeping[-1]


class Within:
    """A working directory for a while: the addresses of Unix sockets are short."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        self._before = Path.cwd()
        os.chdir(self._folder)

    def __exit__(self, *_: object) -> None:
        os.chdir(self._before)


class Raid:
    """All attacks, made by one build, and what they came to: by hook and attack."""

    def __init__(self, folder: Path, *, confined: bool) -> None:
        with ExitStack() as stack:
            targets = self.targets = Targets(folder)
            stack.callback(targets.close)
            monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
            monkeypatch.setenv("CADENCE_TEST_SECRET", "hush")
            shelf = folder / "shelf"
            shelf.mkdir()
            source = Path(hostile_acts.__file__).read_text()
            acting(shelf, "hostile", f"{source}\nGIVEN.update({targets.given!r})\n")
            cache = folder / "plain"
            bench = Workbench(sys.executable, cache)
            if confined:
                workshop = Workshop(folder / "workshop", lambda: COMPLETE)
                bench = stack.enter_context(workshop.workbench(Order(("hostile",))))
            built(builder(bench, shelf), folder / "target", "hostile")
            self.told = told(folder / "target", "hostile")
            self.dead = {hook: victim.poll() is not None for hook, victim in targets.victims.items()}
            self.planted = [path.name for name in ("outside", "cache") for path in (folder / name).iterdir()]
            self.mode = (folder / "secret").stat().st_mode & 0o777
            self.datagrams = self._datagrams()

    def _datagrams(self) -> int:
        self.targets.udp.setblocking(False)
        count = 0
        try:
            while self.targets.udp.recv(100):
                count += 1
        except BlockingIOError:
            return count
        return count


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Raid:
    """Without the sandbox: uv with the server's own interpreter."""
    return Raid(tmp_path_factory.mktemp("plain"), confined=False)


@pytest.fixture(scope="module")
def confined(tmp_path_factory: pytest.TempPathFactory) -> Raid:
    return Raid(tmp_path_factory.mktemp("confined"), confined=True)


@pytest.mark.parametrize("attack", hostile_acts.ATTACKS)
def test_an_attack_that_works_without_the_sandbox_fails_in_it(plain: Raid, confined: Raid, attack: str) -> None:
    for hook in HOOKS:
        if ROOT or attack not in OF_ROOT:
            assert "got" in plain.told[hook][attack], plain.told[hook][attack]
        assert "kept" in confined.told[hook][attack], confined.told[hook][attack]


def test_attacks_fail_because_they_are_refused(confined: Raid) -> None:
    """And not by a mistake of their own."""
    refusals = ["PermissionError(", "Read-only file system", "Invalid cross-device link", "Resource temporarily"]
    refusals += [
        "No such process",
        "Cannot allocate memory",
        "not allowed to raise",
        "LookupError",
        "KeyError('CADENCE",
    ]
    refusals += ["CalledProcessError(1, ['cat'"]
    for hook in HOOKS:
        for attack, outcome in confined.told[hook].items():
            assert any(words in outcome["kept"] for words in refusals), f"{attack}: {outcome}"


def test_nothing_outside_was_changed_by_a_confined_build(plain: Raid, confined: Raid) -> None:
    assert sorted(plain.planted) == ["metadata", "metadata", "wheel", "wheel"]
    assert confined.planted == []
    assert plain.dead == dict.fromkeys(HOOKS, True)
    assert confined.dead == dict.fromkeys(HOOKS, False)
    assert (plain.datagrams, confined.datagrams) == (2, 0)
    assert plain.mode == 0o644


@pytest.mark.skipif(not ROOT, reason="only root can become someone else")
def test_the_attacks_fail_too_where_the_server_is_not_root(tmp_path: Path) -> None:
    repository, user = Path(__file__).parents[2], 65533
    launcher = repository / "tests" / "attacks" / "ordinary_user.py"
    folder = tmp_path / "of-user"
    folder.mkdir()
    os.chown(folder, user, user)
    command: list[str | Path] = [
        sys.executable,
        launcher,
        str(user),
        repository,
        sys.prefix,
        sys.base_prefix,
        folder,
        "--",
    ]
    command += [sys.executable, "-B", "-m", "tests.dependencies.raid_of_user", folder]
    environment = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder)}
    run = subprocess.run(command, capture_output=True, text=True, cwd=repository, env=environment)
    assert run.returncode == 0, run.stderr
    outcome = json.loads(run.stdout)
    assert outcome["got"] == []
    assert sorted(outcome["kept"]) == sorted([*hostile_acts.ATTACKS] * len(HOOKS))


LINGERS = """
import os, subprocess, sys

def act(hook):
    code = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (1, 15)]; time.sleep(600)"
    nowhere = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for options in ({{"process_group": 0}}, {{"start_new_session": True}}):
        try:
            subprocess.Popen([sys.executable, "-c", code, {marker!r}], **options, **nowhere)
        except PermissionError:
            pass
    if os.fork() == 0:
        os.closerange(0, 3)
        os.execv(sys.executable, [sys.executable, "-c", code, {marker!r}])
    {then}
"""


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[str]:
    """An argument by which processes can be found, all of which are ended."""
    marker = f"cadence-{os.getpid()}-{tmp_path.name}"
    yield marker
    for process in with_argument(marker):
        process.kill()


def test_what_a_build_leaves_running_ends_with_it(bench: Workbench, shelf: Path, tmp_path: Path, marker: str) -> None:
    acting(shelf, "lingers", LINGERS.format(marker=marker, then="return None"))
    plain = builder(Workbench(sys.executable, tmp_path / "plain"), shelf)
    assert resolved(plain, "lingers").code == 0
    # The third was of uv's process group, which ends as one.
    assert len(with_argument(marker)) == 2
    for process in with_argument(marker):
        process.kill()
    await_true(lambda: not with_argument(marker))
    built(builder(bench, shelf), tmp_path / "target", "lingers")
    assert with_argument(marker) == []


STARTED = "import pathlib, time; pathlib.Path('started').touch(); time.sleep(600)"


def run_until_started(workshop: Workshop, uv: Uv, bench: Workbench, end: Callable[[], object]) -> None:
    """Resolve in this thread; another calls ``end`` once the build has started."""

    def watch() -> None:
        await_true(lambda: any(bench.cache.parent.glob("stages/source-*/started")))
        end()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        resolved(uv, "lingers")
    finally:
        watching.join()


def test_an_endless_build_ends_when_the_install_is_cancelled(
    workshop: Workshop, shelf: Path, tmp_path: Path, marker: str
) -> None:
    acting(shelf, "lingers", LINGERS.format(marker=marker, then=STARTED))
    cancelled = threading.Event()
    with pytest.raises(Cancelled), workshop.workbench(Order(("lingers",))) as bench:
        run_until_started(workshop, builder(bench, shelf, cancelled=cancelled), bench, cancelled.set)
    await_true(lambda: not with_argument(marker))
    assert list((tmp_path / "workshop").iterdir()) == []


def test_an_endless_build_ends_when_it_makes_no_progress(
    workshop: Workshop, shelf: Path, tmp_path: Path, marker: str
) -> None:
    acting(shelf, "lingers", LINGERS.format(marker=marker, then=STARTED))
    with pytest.raises(Ended), workshop.workbench(Order(("lingers",))) as bench:
        resolved(builder(bench, shelf, idle_seconds=3), "lingers")
    await_true(lambda: not with_argument(marker))
    assert list((tmp_path / "workshop").iterdir()) == []


def test_a_build_ends_when_uv_is_killed(workshop: Workshop, shelf: Path, tmp_path: Path, marker: str) -> None:
    acting(shelf, "lingers", LINGERS.format(marker=marker, then=STARTED))

    def kill() -> None:
        (uv,) = (one for one in psutil.Process().children(recursive=True) if name_of(one) == "uv")
        uv.kill()

    with workshop.workbench(Order(("lingers",))) as bench:
        run_until_started(workshop, builder(bench, shelf), bench, kill)
        await_true(lambda: not with_argument(marker))
    assert list((tmp_path / "workshop").iterdir()) == []


@pytest.mark.parametrize("line", [100, 100_000])
def test_of_a_build_that_says_much_the_beginning_and_the_end_are_shown(
    bench: Workbench, shelf: Path, line: int
) -> None:
    acts = f"""
def act(hook):
    print("first")
    for _ in range(20_000_000 // {line}):
        print("x" * {line})
    print("last")
    raise SystemExit(3)
"""
    acting(shelf, "loud", acts)
    output = resolved(builder(bench, shelf), "loud")
    assert output.code != 0
    assert len(output.words) < 300_000
    for words in ("first", "last", "bytes are left out here"):
        assert words in output.words


# What a build leaves is not believed.

SECRET_LINE = "hush=this is what nobody may see"


def leaving(shelf: Path, tmp_path: Path, acts: str) -> tuple[Output, str]:
    """What uv says to a build without the sandbox, and with it; the words of the latter."""
    (tmp_path / "secret").write_text(f"{SECRET_LINE}\n")
    text = f"import json, os, pathlib\nSECRET = {str(tmp_path / 'secret')!r}\ndef act(hook): return None\n{acts}"
    acting(shelf, "leaves", text)
    outputs: list[Output] = []
    workshop = Workshop(tmp_path / "workshop", lambda: COMPLETE)
    with workshop.workbench(Order(("leaves",))) as bench:
        for one in (Workbench(sys.executable, tmp_path / "plain"), bench):
            uv = builder(one, shelf)
            output = resolved(uv, "leaves")
            if output.code == 0:
                output = installed(uv, output.stdout, tmp_path / f"target-{len(outputs)}")
            outputs.append(output)
    plain, confined = outputs
    assert confined.code != 0
    assert SECRET_LINE not in confined.words
    return plain, confined.words


def test_metadata_that_is_a_link_is_refused(shelf: Path, tmp_path: Path) -> None:
    acts = """
def metadata(info):
    (info / "METADATA").unlink()
    (info / "METADATA").symlink_to(SECRET)
    return info.name
"""
    _, words = leaving(shelf, tmp_path, acts)
    assert "it left 'METADATA', which is neither a file nor a folder" in words


def test_metadata_elsewhere_is_refused(shelf: Path, tmp_path: Path) -> None:
    acts = "def metadata(info): return os.path.abspath(info)\n"
    plain, words = leaving(shelf, tmp_path, acts)
    assert plain.code == 0
    assert "which is not there" in words


def test_metadata_of_many_files_is_refused(shelf: Path, tmp_path: Path) -> None:
    acts = """
def metadata(info):
    for number in range(2000):
        (info / str(number)).touch()
    return info.name
"""
    plain, words = leaving(shelf, tmp_path, acts)
    assert plain.code == 0
    assert "its metadata has more than 1000 files" in words


def test_metadata_that_is_large_is_refused(shelf: Path, tmp_path: Path) -> None:
    acts = """
def metadata(info):
    (info / "large").write_bytes(bytes(20_000_000))
    return info.name
"""
    plain, words = leaving(shelf, tmp_path, acts)
    assert plain.code == 0
    assert "'large' is too large" in words


def test_a_wheel_that_is_a_link_is_refused(shelf: Path, tmp_path: Path) -> None:
    acts = """
def wheel(path):
    pathlib.Path("elsewhere.whl").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(os.path.abspath("elsewhere.whl"))
    return path.name
"""
    plain, words = leaving(shelf, tmp_path, acts)
    assert plain.code == 0
    assert "which cannot be read: Too many levels of symbolic links" in words


def test_a_wheel_that_is_a_pipe_is_refused(bench: Workbench, shelf: Path, tmp_path: Path) -> None:
    """Whoever opened one would wait for ever."""
    acting(shelf, "leaves", "import os\ndef act(hook): os.mkfifo('pipe')\n")
    assert "Operation not permitted" in resolved(builder(bench, shelf), "leaves").words


def test_a_wheel_elsewhere_is_refused(shelf: Path, tmp_path: Path) -> None:
    acts = """
def wheel(path):
    path.rename(path.with_name("other.whl"))
    return "../" + path.parent.name + "/other.whl"
"""
    _, words = leaving(shelf, tmp_path, acts)
    assert "which is not there" in words


@pytest.mark.parametrize("requirement", ["honest @ {address}", "honest@{address}", "./honest", "git+{address}"])
def test_what_is_required_by_its_address_is_not_fetched(shelf: Path, tmp_path: Path, requirement: str) -> None:
    address = acting(shelf, "honest").as_uri()
    plain, words = leaving(shelf, tmp_path, f"REQUIRES = [{requirement.format(address=address)!r}]\n")
    assert (plain.code == 0) == ("@" in requirement)
    assert "by its address, and builds take packages from the index only" in words


def test_what_a_package_declares_by_its_address_keeps_its_build_from_running(bench: Workbench, shelf: Path) -> None:
    acting(shelf, "declares", requires=(f"honest @ {acting(shelf, 'honest').as_uri()}",))
    words = resolved(builder(bench, shelf), "declares").words
    assert "by its address, and builds take packages from the index only" in words


@pytest.mark.skipif(shutil.which("git") is None, reason="this machine has no git")
def test_the_hosts_git_fetches_nothing_for_a_package(bench: Workbench, shelf: Path, tmp_path: Path) -> None:
    """Not from the moment on when it would ask an address, which is before anything could be refused."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"git+http://127.0.0.1:{server.getsockname()[1]}/it"
        acting(shelf, "declares", requires=(f"honest @ {address}",))
        assert "Not a directory" in resolved(builder(bench, shelf), "declares").words
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_uv_does_not_read_what_a_build_made_of_its_source(shelf: Path, tmp_path: Path) -> None:
    """uv reads the source tree again when it installs what it resolved before."""
    (tmp_path / "secret").write_text(f"{SECRET_LINE}\n")
    acts = f"""
import os
def act(hook):
    os.unlink("pyproject.toml")
    os.symlink({str(tmp_path / "secret")!r}, "pyproject.toml")
"""
    acting(shelf, "leaves", acts)
    workshop = Workshop(tmp_path / "workshop", lambda: COMPLETE)
    with workshop.workbench(Order(("leaves",))) as bench:
        for one, leaks in ((Workbench(sys.executable, tmp_path / "plain"), True), (bench, False)):
            uv = builder(one, shelf)
            lock = resolved(uv, "leaves")
            assert lock.code == 0, lock.words
            output = installed(uv, lock.stdout, tmp_path / f"target-{leaks}")
            assert (SECRET_LINE in output.words) == leaks


OWN_BACKEND = """
[build-system]
requires = ["uv_build"]
build-backend = "uv_build"
[project]
name = "own"
version = "1.0"
"""


@pytest.mark.parametrize(
    "field", ["readme = {}", "readme = {{ file = {}, content-type = 'text/plain' }}", "license = {{ file = {} }}"]
)
@pytest.mark.parametrize("up", [False, True])
def test_a_package_cannot_have_uv_put_files_of_the_server_into_it(
    workshop: Workshop, shelf: Path, tmp_path: Path, field: str, up: bool
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET_LINE)
    path = f"{'../' * 40}{secret.relative_to('/')}" if up else str(secret)
    project = OWN_BACKEND + field.format(json.dumps(path))
    distribution(shelf, "own", {"pyproject.toml": project, "src/own/__init__.py": ""})
    target = tmp_path / "target"
    with pytest.raises(DependenciesFailed) as caught, workshop.workbench(Order(("own",))) as bench:
        built(builder(bench, shelf), target, "own")
    assert SECRET_LINE in next(target.glob("own-1.0.dist-info/METADATA")).read_text()
    # Resolving is enough to see it, so that nothing of it is ever installed.
    with pytest.raises(DependenciesFailed), workshop.workbench(Order(("own",))) as bench:
        assert resolved(builder(bench, shelf), "own").code == 0
    (fault,) = caught.value.faults
    assert (fault.code, fault.culprit) == ("reaches_outside", "own==1.0")


def test_a_plugin_gets_no_file_of_the_server_by_a_package(
    dependencies: Dependencies, shelf: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text(SECRET_LINE)
    project = f"{OWN_BACKEND}readme = {json.dumps(str(tmp_path / 'secret.txt'))}\n"
    distribution(shelf, "own", {"pyproject.toml": project, "src/own/__init__.py": ""})
    with pytest.raises(DependenciesFailed, match="Its readme is a file outside of the package"):
        dependencies.plan(Order(("own",)), Progress(0.0))


def test_a_package_with_a_readme_of_its_own_is_taken(bench: Workbench, shelf: Path, tmp_path: Path) -> None:
    files = {"src/own/__init__.py": "version = 'own'\n", "README.md": "It is mine."}
    distribution(shelf, "own", {"pyproject.toml": f"{OWN_BACKEND}readme = 'README.md'\n", **files})
    built(builder(bench, shelf), tmp_path / "target", "own")
    bench.verify()
    assert answer(tmp_path / "target", "import own; print(own.version)") == "own"


def test_a_package_that_is_named_like_a_folder_of_uv_is_looked_at_too(
    workshop: Workshop, shelf: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text(SECRET_LINE)
    project = OWN_BACKEND.replace('"own"', '"src"') + f"readme = {json.dumps(str(tmp_path / 'secret.txt'))}\n"
    distribution(shelf, "src", {"pyproject.toml": project, "src/src/__init__.py": ""})
    with pytest.raises(DependenciesFailed, match=re.escape("src==1.0")), workshop.workbench(Order(("src",))) as bench:
        built(builder(bench, shelf), tmp_path / "target", "src")


# What is built is looked at like every other wheel.


def environment_of(uv: Uv, folder: Path, name: str) -> Path:
    """The environment of one package that is built."""
    lease = Environments(folder).ensure(parse(resolved(uv, name).stdout, {name: name}, {}), uv)
    assert lease is not None
    lease.close()
    return lease.path


def test_a_startup_file_of_a_built_package_is_left_out(bench: Workbench, shelf: Path, tmp_path: Path) -> None:
    acting(shelf, "starts", "def act(hook): return None\ndef files(): return {'starts.pth': b'import os'}\n")
    built(builder(bench, shelf), tmp_path / "target", "starts")
    assert (tmp_path / "target" / "starts.pth").is_file()
    path = environment_of(builder(bench, shelf), tmp_path / "environments", "starts")
    assert list(path.glob("*.pth")) == []
    assert answer(path, "import starts; print(starts.version)") == "1.0"


def test_a_built_package_that_hides_the_standard_library_is_refused(
    bench: Workbench, shelf: Path, tmp_path: Path
) -> None:
    acting(shelf, "hides", "def act(hook): return None\ndef files(): return {'json.py': b''}\n")
    with pytest.raises(DependenciesFailed, match="would hide the one of Python's standard library"):
        environment_of(builder(bench, shelf), tmp_path / "environments", "hides")


def test_a_link_in_a_built_package_leads_nowhere(bench: Workbench, shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET_LINE)
    acts = f"""
import stat, zipfile
def act(hook): return None
def files():
    link = zipfile.ZipInfo("linked/secret")
    return {{}}
def wheel(path):
    entry = zipfile.ZipInfo("linked/secret")
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as wheel:
        wheel.writestr(entry, {str(tmp_path / "secret")!r})
    return path.name
"""
    acting(shelf, "linked", acts)
    uv = builder(bench, shelf)
    installed(uv, resolved(uv, "linked").stdout, tmp_path / "target")
    assert not any(path.is_symlink() for path in tmp_path.glob("target/**/*"))


# Network.


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    gateway = Gateway(lambda _, *rest, **options: socket.getaddrinfo("127.0.0.1", *rest, **options))
    yield gateway
    gateway.close()


REACHES = """
import socket
def _reach(host, port):
    try:
        with socket.create_connection((host, port), 10):
            return "connected"
    except OSError as error:
        return type(error).__name__

def act(hook):
    return [_reach(host, port) for host, port in {addresses!r}]
"""


def test_a_build_connects_to_what_was_granted_and_to_nothing_else(
    shelf: Path, tmp_path: Path, gateway: Gateway
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as granted, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [one.getsockname()[1] for one in (granted, other)]
        addresses = [("127.0.0.1", ports[0]), ("localhost", ports[0]), ("db.internal", ports[0])]
        addresses += [("127.0.0.1", ports[1]), ("elsewhere.internal", ports[0])]
        acting(shelf, "reaches", REACHES.format(addresses=addresses))
        hosts = ("127.0.0.1", "localhost", "private:db.internal")
        network = tuple(parse_endpoint(f"{host}:{ports[0]}") for host in hosts)

        def attach(channel: socket.socket, endpoints: tuple[Any, ...]) -> None:
            assert endpoints == network
            gateway.attach(receive_listener(channel, 60.0), endpoints, lambda _: None)

        workshop = Workshop(tmp_path / "workshop", lambda: COMPLETE, attach)
        with workshop.workbench(Order(("reaches",), network=network)) as bench:
            built(builder(bench, shelf), tmp_path / "target", "reaches")
    found = told(tmp_path / "target", "reaches")
    assert found == {hook: [*["connected"] * 3, "PermissionError", "gaierror"] for hook in HOOKS}


# Where the sandbox is not whole, nothing is built.


@pytest.mark.parametrize("missing", NEEDED)
def test_nothing_is_built_where_a_layer_is_missing(tmp_path: Path, missing: str) -> None:
    layers = [Layer(name, "", active=name != missing) for name in NEEDED]
    workshop = Workshop(tmp_path / "workshop", lambda: layers)
    words = f"Building from source needs the sandbox, and this server lacks some of it: {missing}."
    with pytest.raises(DependenciesFailed, match=words) as caught, workshop.workbench(Order(("alpha>=1",))):
        pass
    (fault,) = caught.value.faults
    assert (fault.code, fault.culprit) == ("sandbox_incomplete", "alpha>=1")
    assert not (tmp_path / "workshop").exists()


def test_nothing_is_built_where_the_sandbox_is_off(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path / "workshop", lambda: ())
    words = "Building from source needs the sandbox, which is off."
    with pytest.raises(DependenciesFailed, match=words), workshop.workbench(Order(("alpha>=1",))):
        pass


# Workbenches.


def test_workbenches_share_nothing_and_leave_nothing(workshop: Workshop, tmp_path: Path) -> None:
    order = Order(("it",))
    with workshop.workbench(order) as one, workshop.workbench(order) as other:
        assert one.cache.parent != other.cache.parent
        assert {one.cache.parent.parent, other.cache.parent.parent} == {tmp_path / "workshop"}
    assert list((tmp_path / "workshop").iterdir()) == []


LITTLE_MEMORY = BuildLimits(memory_mb=64, disk_mb=1024)
#: A fork of the tests has all the memory that they have.
LITTLE_DISK = BuildLimits(memory_mb=64 * 1024, disk_mb=1)


def watched(run: Callable[[], object], limits: BuildLimits, disk_bytes: Callable[[], int] = lambda: 0) -> int:
    """The exit code of a process, with a child, in a session of its own."""
    parent, pid = os.pidfd_open(os.getpid()), os.fork()
    if pid == 0:
        os.setsid()
        leader = os.getpid()
        if os.fork() == 0:
            die_with_parent(leader)
            run()
        os.wait()
        os._exit(0)
    try:
        return Watch(pid, {}, limits, disk_bytes).until_end(parent)
    finally:
        os.close(parent)


def test_a_build_that_takes_more_memory_than_it_may_is_ended() -> None:
    """All of its processes count together."""
    script = "held = [b'x' * 2**20 for _ in range(80)]; import time; time.sleep(600)"
    with pytest.raises(Exceeded, match="memory limit of 64 MiB reached"):
        watched(lambda: os.execv(sys.executable, [sys.executable, "-c", script]), LITTLE_MEMORY)


def test_a_build_that_takes_more_disk_than_it_may_is_ended(tmp_path: Path) -> None:
    def fill() -> None:
        (tmp_path / "large").write_bytes(b"x" * 2**22)
        time.sleep(600)

    with pytest.raises(Exceeded, match="disk limit of 1 MiB reached"):
        watched(fill, LITTLE_DISK, lambda: used_bytes((tmp_path,)))


def test_a_build_that_stays_within_its_limits_ends_by_itself() -> None:
    assert watched(lambda: os._exit(0), LITTLE_DISK) == 0


# What uv calls is taken for what it is.


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    for folder in ("builds-v0/.tmpA/bin", "builds-v0/.tmpB", "sdists-v9/index/honest/1.0/x/src", ".tmpC"):
        (tmp_path / "cache" / folder).mkdir(parents=True)
    (tmp_path / "cache/.tmpC/pip_compileall.py").touch()
    return tmp_path / "cache"


SOURCE = "sdists-v9/index/honest/1.0/x/src"


def hook_of(cache: Path, *named: str, program: str = "builds-v0/.tmpA/bin/python", source: str = SOURCE) -> Hook | None:
    script = "\n".join(f"x = {os.fsencode(cache / path)!r}" for path in named)
    return Call(str(cache / program), ("-c", script), cache / source, cache).hook


def test_a_hook_is_known_by_where_its_result_goes(cache: Path) -> None:
    answer = "builds-v0/.tmpA/build_wheel.txt"
    hook = hook_of(cache, "builds-v0/.tmpB", answer)
    assert hook is not None
    assert (hook.name, hook.answer, hook.folder) == ("build_wheel", cache / answer, cache / "builds-v0/.tmpB")
    assert hook_of(cache, answer, source="elsewhere") is None
    assert hook_of(cache, answer, program="builds-v0/.tmpZ/bin/python") is None


@pytest.mark.parametrize(
    "named",
    [
        "builds-v0/.tmpA/bin/python",
        "builds-v0/.tmpA/bin/build_wheel.txt",
        "builds-v0/.tmpB/build_wheel.txt",
        "builds-v0/.tmpA/../.tmpB/build_wheel.txt",
        "builds-v0/.tmpA/pyvenv.cfg",
        "interpreter-v5/build_wheel.txt",
    ],
)
def test_a_result_goes_nowhere_else(cache: Path, named: str) -> None:
    """The name of a backend is written by the package, and may be a program."""
    assert hook_of(cache, named) is None


def test_the_folder_for_a_wheel_is_an_empty_one_of_builds(cache: Path) -> None:
    (cache / "builds-v0/.tmpD").mkdir()
    (cache / "builds-v0/.tmpD/python").touch()
    (cache / "builds-v0/.tmpE").symlink_to(cache / ".tmpC")
    named = ("builds-v0/.tmpD", "builds-v0/.tmpE", "sdists-v9", "builds-v0", "builds-v0/.tmpA/build_wheel.txt")
    hook = hook_of(cache, *named)
    assert hook is not None
    assert hook.folder is None


def test_only_uvs_own_compiler_is_run_unconfined(cache: Path) -> None:
    script = str(cache / ".tmpC/pip_compileall.py")
    source = cache / SOURCE
    (source / "pip_compileall.py").touch()
    assert Call("python", (script,), cache, cache).compiles
    assert not Call("python", (script,), source, cache).compiles
    assert not Call("python", (str(source / "pip_compileall.py"),), cache, cache).compiles
    assert not Call("python", (script, "more"), cache, cache).compiles
    assert not Call("python", (str(cache / ".tmpC/other.py"),), cache, cache).compiles
