"""Attacks that read what is not the plugin's own."""

import os
import pwd
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cadence
from tests.attacks.attack import Attacks, Outcome, Run
from tests.attacks.stage import Answer, Stage, new_secret
from tests.attacks.witness import canary, target
from tests.server.process import await_true

ATTACKS = Attacks()
LENGTH = 65536
ONLY_ROOT = "the file is one that only root may read"
Place = Callable[[Stage], Path]


def _gained(answer: Answer, path: Path) -> bool:
    """Whether an answer holds what stands in a file, as far as the tests may know that."""
    if not os.access(path, os.R_OK):
        return bool(answer.result)
    return bool(answer.result) and answer.result == path.read_bytes()[:LENGTH].decode("latin-1")


def _reads(place: Place, tool: str = "read") -> Run:
    def run(stage: Stage) -> Outcome:
        stage.install("bystander")
        path = place(stage)
        answer = stage.call("reader", tool, path=str(path))
        return Outcome(answer, _gained(answer, path))

    return run


def _lists(place: Place) -> Run:
    def run(stage: Stage) -> Outcome:
        stage.install("bystander")
        path = place(stage)
        answer = stage.call("reader", "listing", path=str(path))
        return Outcome(answer, bool(set(answer.result or ()) & {entry.name for entry in path.iterdir()}))

    return run


def _a_secret_file(stage: Stage) -> Path:
    path = canary(stage)
    path.write_text(new_secret())
    return path


def _data_of_another(stage: Stage) -> Path:
    path = stage.data("bystander") / "kept.txt"
    assert stage.call("bystander", "keep", secret=new_secret()).ok
    return path


def _own_archive(stage: Stage) -> Path:
    stage.install("reader")  # this may be the first attack that needs it
    return next(stage.instance.glob(f"store_archived/**/{stage.name_of('reader')}-1.0.0.zip"))


def _snapshot(stage: Stage) -> Path:
    return stage.snapshots("bystander-1.0.0")[0] / "tools.py"


FILES: dict[str, Place] = {
    "the_index": lambda stage: stage.instance / "index.db",
    "the_servers_key": lambda stage: stage.instance / "secret_key",
    "an_archive": lambda stage: next(stage.instance.glob("store_archived/**/bystander-1.0.0.zip")),
    "its_own_archive": _own_archive,
    "another_plugins_files": lambda stage: next(stage.instance.glob("store_plugin/bystander-1.0.0/tools.py")),
    "another_workers_files": _snapshot,
    "another_plugins_data": _data_of_another,
    "the_servers_log": lambda stage: next(stage.instance.parent.glob("*.log")),
    "the_source_of_the_server": lambda _: Path(cadence.__file__),
    "a_file_anyone_may_read": _a_secret_file,
    "the_users_of_the_host": lambda _: Path("/etc/passwd"),
    "the_kernels_command_line": lambda _: Path("/proc/cmdline"),
}
FOLDERS: dict[str, Place] = {
    "the_instance": lambda stage: stage.instance,
    "the_data_of_all": lambda stage: stage.instance / "data",
    "the_store": lambda stage: stage.instance / "store_plugin",
    "the_temporary_files_of_all": lambda _: Path("/tmp"),
    "the_root_directory": lambda _: Path("/"),
    "the_devices": lambda _: Path("/dev"),
}
for _name, _place in FILES.items():
    ATTACKS.add(f"read_{_name}", _reads(_place))
for _name, _place in FOLDERS.items():
    ATTACKS.add(f"list_{_name}", _lists(_place))
for _tool in ("read_by_descriptor", "read_by_link", "read_by_root", "read_by_hard_link"):
    ATTACKS.add(_tool, _reads(_a_secret_file, _tool))

ATTACKS.add("read_the_password_hashes", _reads(lambda _: Path("/etc/shadow")), ordinary=ONLY_ROOT)
ATTACKS.add(
    "list_roots_home",
    _lists(lambda _: Path(pwd.getpwuid(0).pw_dir)),
    ordinary="the home of root is one that only root may read",
)


@ATTACKS.attack()
def read_what_it_has_moved_to_itself(stage: Stage) -> Outcome:
    path = _a_secret_file(stage)
    secret = path.read_text()
    answer = stage.call("reader", "read_moved", path=str(path))
    return Outcome(answer, answer.result == secret)


@ATTACKS.attack()
def read_by_the_root_of_another_process(stage: Stage) -> Outcome:
    path = _a_secret_file(stage)
    with target(stage) as victim:
        answer = stage.call("reader", "read_by_anothers_root", pid=victim.pid, path=str(path))
        return Outcome(answer, _gained(answer, path))


@ATTACKS.attack()
def import_the_server(stage: Stage) -> Outcome:
    answer = stage.call("reader", "import_server")
    return Outcome(answer, '"""The settings' in (answer.result or ""))


def _own_secret(name: str) -> Run:
    """Reads the entry of a process that a test started with a secret in its environment."""

    def run(stage: Stage) -> Outcome:
        with target(stage) as victim:
            answer = stage.call("reader", "read", path=f"/proc/{victim.pid}/{name}")
            return Outcome(answer, bool(answer.result) and bool(answer.result.strip()))

    return run


for _entry in ("cmdline", "status", "maps", "limits"):
    ATTACKS.add(f"read_{_entry}_of_another_process", _own_secret(_entry))


@ATTACKS.attack()
def read_the_environment_of_another_process(stage: Stage) -> Outcome:
    with target(stage) as victim:
        answer = stage.call("reader", "read", path=f"/proc/{victim.pid}/environ")
        return Outcome(answer, victim.secret in (answer.result or ""))


@ATTACKS.attack()
def read_the_memory_of_another_process(stage: Stage) -> Outcome:
    with target(stage) as victim:
        arguments = {"pid": victim.pid, "address": victim.address, "length": victim.length}
        answer = stage.call("reader", "read_memory", **arguments)
        return Outcome(answer, victim.secret in (answer.result or ""))


@ATTACKS.attack()
def read_the_environment_of_the_server(stage: Stage) -> Outcome:
    answer = stage.call("reader", "read", path=f"/proc/{stage.server.serving_process().pid}/environ")
    return Outcome(answer, stage.secret in (answer.result or ""))


@ATTACKS.attack()
def read_the_command_line_of_the_zygote(stage: Stage) -> Outcome:
    answer = stage.call("reader", "read", path=f"/proc/{stage.server.zygote().pid}/cmdline")
    return Outcome(answer, "zygote" in (answer.result or ""))


@ATTACKS.attack()
def see_other_processes(stage: Stage) -> Outcome:
    with target(stage) as victim:
        answer = stage.call("reader", "listing", path="/proc")
        return Outcome(answer, str(victim.pid) in (answer.result or ()))


def _table(stage: Stage, path: str) -> Outcome:
    """Looks for the server's own listener in a table of the kernel's."""
    answer = stage.call("reader", "see", path=path, text=f":{stage.server.port:04X} ")
    return Outcome(answer, answer.ok)


@ATTACKS.attack()
def see_the_listeners_of_the_host(stage: Stage) -> Outcome:
    return _table(stage, "/proc/self/net/tcp")


@ATTACKS.attack()
def see_the_listeners_of_another_process(stage: Stage) -> Outcome:
    with target(stage) as victim:
        return _table(stage, f"/proc/{victim.pid}/net/tcp")


@ATTACKS.attack()
def watch_what_others_make(stage: Stage) -> Outcome:
    watching = stage.data("reader") / "watching"
    watching.unlink(missing_ok=True)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(stage.call, "reader", "watch", folder=str(stage.outside))
        await_true(lambda: watching.exists() or call.done(), "the watch")
        made = stage.outside / f"made-{uuid.uuid4().hex}"
        made.touch()
        answer = call.result()
    return Outcome(answer, answer.result == made.name)
