"""Where the attacks take place: a real server as some user, with or without its sandbox, and what stands around it."""

import contextlib
import copy
import functools
import glob
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil
import pytest
import requests

from tests.building import archive_bytes, plugin_files
from tests.runtime.isolation import EVERYTHING, copy_packages
from tests.server.process import COMMAND, PATIENCE_SECONDS, ROOT, Server, await_true, environment, free_port

PLUGINS = Path(__file__).parent / "plugins"
LAUNCHER = Path(__file__).parent / "ordinary_user.py"
ISOLATING_SERVER = "tests.attacks.isolating_server"
#: A user that has nothing on any machine, for the server of the ordinary user where the tests run as root.
UNUSED_UID = 65533

User = Literal["root", "ordinary"]
USERS: tuple[User, ...] = ("root", "ordinary")
#: How a worker comes to be: forked from the warm zygote, or, as those of isolated plugins, a fresh interpreter.
Kind = Literal["forked", "fresh"]
KINDS: tuple[Kind, ...] = ("forked", "fresh")
Sandbox = Literal["off", "prefer"]

#: Small, so that an attack that gets past them does the host no harm.
MEMORY_MB, DATA_MB, THREADS, OPEN_FILES = 96, 32, 64, 128
#: What a fresh worker may have more: it loads LangChain by itself, in memory that counts as the plugin's.
OWN_PACKAGES_MB = 64
#: Processes of a plugin that was granted some.
PROCESSES = 4


class Variant(NamedTuple):
    """What a stage differs in."""

    user: User
    kind: Kind
    sandbox: Sandbox


class Answer(NamedTuple):
    """What a call brought: the HTTP status and the body."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        return self.status == 200

    @property
    def result(self) -> Any:
        """What the tool returned; None where it did not."""
        return self.body.get("result") if self.ok else None

    @property
    def words(self) -> str:
        """What a failed call said: the sentences."""
        details = "" if self.ok else self.body["details"]
        return details if isinstance(details, str) else "; ".join(details)


class AttackedServer(Server):
    """A ``flask serve`` of a user's, of whom its environment holds a secret.

    :param packages: what the plugins have that are isolated.
    """

    def __init__(self, folder: Path, uid: int | None, kind: Kind, packages: Path, **settings: str) -> None:
        self._kind = kind
        self.instance = folder / "instance"
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.api = f"{self.url}/api/v1"
        self._log = folder / f"{self.port}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*_as_user(uid, folder, packages), *isolating_command(packages), "serve"],
                cwd=ROOT,
                env=environment(self.instance, CADENCE_PORT=str(self.port), HOME=str(folder), **settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def workers(self, plugin: str) -> list[psutil.Process]:
        """The processes that run a plugin now, without those it started."""
        found = [process for process in self.family() if self._runs(process, plugin)]
        pids = {process.pid for process in found}
        return [process for process in found if _parent(process) not in {None, *pids}]

    def zygote(self) -> psutil.Process:
        """The process that the server asks for the workers of the attackers."""
        (found,) = (child for child in self.zygotes() if ("-m" in _command(child)) == (self._kind == "forked"))
        return found

    def zygotes(self) -> list[psutil.Process]:
        """All processes that the server asks for workers."""
        return [child for child in self.serving_process().children() if "zygote" in " ".join(_command(child))]

    def _runs(self, process: psutil.Process, plugin: str) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return Path(process.cwd()) == self.instance / "data" / plugin and process.status() != psutil.STATUS_ZOMBIE
        return False


class Stage:
    """One server for many attacks, each from a plugin of its own kind; plugins are installed when first needed.

    :param packages: what the plugins have that are isolated.
    :ivar instance: the server's folder.
    :ivar outside: a folder beside it that anyone on the machine may write to, as there is on every machine; but for
        the confinement nothing keeps a plugin from it.
    """

    def __init__(self, variant: Variant, folder: Path, packages: Path, **settings: str) -> None:
        self.variant = variant
        self.uid = UNUSED_UID if variant.user == "ordinary" and os.geteuid() == 0 else None
        self.secret = new_secret()
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.outside.chmod(0o777)
        if self.uid is not None:
            os.chown(folder, self.uid, self.uid)
        settings = {**_settings(variant, self.secret), **settings}
        self.server = AttackedServer(folder, self.uid, variant.kind, packages, **settings)
        self.instance = self.server.instance
        self.permitted = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self._installed: set[str] = set()
        self._suffix = ""

    @property
    def with_grants(self) -> "Stage":
        """The same stage for plugins of other names that have grants: for one endpoint, and for processes."""
        stage = copy.copy(self)
        stage._suffix = "_with_grants"
        return stage

    @property
    def has_grants(self) -> bool:
        """Whether the plugins on it have grants."""
        return bool(self._suffix)

    def name_of(self, plugin: str) -> str:
        """The name under which a plugin of ``plugins/`` is installed."""
        return plugin if plugin == "bystander" else f"{plugin}{self._suffix}"

    def worker(self, plugin: str) -> psutil.Process:
        """The process that runs a plugin now."""
        self.install(plugin)
        await_true(lambda: len(self.server.workers(self.name_of(plugin))) == 1, f"one worker of {plugin}")
        (worker,) = self.server.workers(self.name_of(plugin))
        return worker

    def close(self) -> None:
        """End the server and what it started."""
        self.server.kill()
        self.permitted.close()

    def call(self, plugin: str, tool: str, /, **arguments: object) -> Answer:
        """Call a tool of a plugin under ``plugins/``; any outcome is an answer."""
        self.install(plugin)
        answer = self.server.post(f"/plugins/{self.name_of(plugin)}/tools/{tool}", json=arguments)
        return Answer(answer.status_code, answer.json())

    def install(self, plugin: str) -> None:
        """Install a plugin from ``plugins/`` unless it is there."""
        name = self.name_of(plugin)
        if name in self._installed:
            return
        answer = self._upload(plugin)
        assert answer.status_code == 201, answer.text
        if name != plugin:
            port = self.permitted.getsockname()[1]
            self.grant(plugin, network=[f"127.0.0.1:{port}"], processes=PROCESSES)
        self._installed.add(name)

    def start_anew(self, plugin: str) -> None:
        """Have a worker of a plugin that has done nothing yet, at once.

        The one before it may still hold what it took, or be on its way out, and one that was ended time and again would
        be started again later each time.
        """
        self.install(plugin)
        answer = self._upload(plugin, force_overwrite="true")
        assert answer.status_code == 200, answer.text

    def _upload(self, plugin: str, **fields: str) -> requests.Response:
        name = self.name_of(plugin)
        folder = PLUGINS / plugin
        sources = {
            str(path.relative_to(folder)): path.read_text()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        }
        required = (EVERYTHING,) if self.variant.kind == "fresh" else ()
        archive = archive_bytes(plugin_files(name, files=sources, dependencies=required))
        return self.server.upload(archive, f"{name}-1.0.0.zip", **fields)

    def grant(self, plugin: str, **grants: object) -> None:
        """Give a plugin that is installed these grants."""
        url = f"{self.server.api}/plugins/{self.name_of(plugin)}/grants"
        answer = requests.put(url, json=grants, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200, answer.text

    def data(self, plugin: str) -> Path:
        """The data directory of a plugin that is installed."""
        self.install(plugin)
        return self.instance / "data" / self.name_of(plugin)

    def snapshots(self, name: str) -> list[Path]:
        """The folders of this name among those that workers have to themselves; others may go meanwhile."""
        # The glob of pathlib fails on a folder that is removed under it (CPython 3.11), this one passes it by.
        found = glob.glob(f"run/*/*/{name}", root_dir=self.instance)  # noqa: PTH207
        return [self.instance / path for path in found]

    def await_bystander(self) -> None:
        """Check that the server still answers others, at once."""
        answer = self.call("bystander", "greet", name="you")
        assert answer.result == "Hello, you", answer

    def await_plugin(self, plugin: str, tool: str, /, **arguments: object) -> Answer:
        """Wait until a plugin that was ended answers again."""
        answers: list[Answer] = []

        def answered() -> bool:
            answers.append(self.call(plugin, tool, **arguments))
            return answers[-1].ok

        try:
            await_true(answered, f"an answer of {plugin}.{tool}")
        except AssertionError as error:
            raise AssertionError(f"{error}: {answers[-1]}") from None
        return answers[-1]


class Stages:
    """The stages that tests of one process share, each made when it is first needed."""

    def __init__(self, exits: contextlib.ExitStack) -> None:
        self._exits = exits
        self._stages: dict[Variant, Stage] = {}

    def get(self, user: User, kind: Kind, sandbox: Sandbox) -> Stage:
        variant = Variant(user, kind, sandbox)
        if variant not in self._stages:
            self._stages[variant] = self._exits.enter_context(stage(variant))
        return self._stages[variant]


@contextlib.contextmanager
def stage(variant: Variant, **settings: str) -> Iterator[Stage]:
    """A stage of one's own, for attacks that end the server."""
    skip_impossible(variant.user)
    folder = Path(tempfile.mkdtemp(prefix="cadence-attacks-"))
    folder.chmod(0o755)
    try:
        made = Stage(variant, folder, packages(), **settings)
        try:
            made.server.await_ready()
            made.install("bystander")  # so that the zygote of its kind runs
            yield made
        finally:
            made.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def skip_impossible(user: User) -> None:
    """Skip a test of a server that runs as root where the tests do not."""
    if user == "root" and os.geteuid() != 0:
        pytest.skip("a server that runs as root can only be started by root")


def new_secret() -> str:
    """A secret that a search can recognise without knowing it."""
    return f"cadence-attack-secret-{uuid.uuid4().hex}"


def run_as(uid: int | None) -> Mapping[str, Any]:
    """The options of ``subprocess.Popen`` for a process of the server's user."""
    return {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}


def _parent(process: psutil.Process) -> int | None:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.ppid()
    return None


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


@functools.cache
def packages() -> Path:
    """All that the attacking plugins import, for those that are isolated. :func:`remove_packages` removes it."""
    folder = Path(tempfile.mkdtemp(prefix="cadence-attacks-packages-"))
    folder.chmod(0o755)
    return copy_packages(folder / "packages", "numpy", "requests")


def remove_packages() -> None:
    """Remove what :func:`packages` made, where it did."""
    if packages.cache_info().currsize:
        shutil.rmtree(packages().parent)
        packages.cache_clear()


def isolating_command(packages: Path) -> list[str]:
    """As the server's ``COMMAND``, for a server that has these packages for isolated plugins."""
    python, _, _, *arguments = COMMAND
    return [python, "-m", ISOLATING_SERVER, str(packages), *arguments]


def _as_user(uid: int | None, folder: Path, packages: Path) -> list[str]:
    if uid is None:
        return []
    needed = {str(ROOT), str(folder), str(packages), sys.prefix, sys.base_prefix}
    return [sys.executable, str(LAUNCHER), str(uid), *sorted(needed), "--"]


def _settings(variant: Variant, secret: str) -> dict[str, str]:
    return {
        "CADENCE_SANDBOX": variant.sandbox,
        "CADENCE_PLUGIN_MEMORY_MB": str(MEMORY_MB + (OWN_PACKAGES_MB if variant.kind == "fresh" else 0)),
        "CADENCE_PLUGIN_DATA_MB": str(DATA_MB),
        "CADENCE_PLUGIN_THREADS": str(THREADS),
        "CADENCE_PLUGIN_OPEN_FILES": str(OPEN_FILES),
        # Attackers are ended time and again: to be taken back for it would end the attacks, and hide which one works.
        "CADENCE_PROBATION_CRASHES": "1000000",
        "ATTACKED_SECRET": secret,
    }
