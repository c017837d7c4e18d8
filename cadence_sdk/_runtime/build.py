"""The interpreter that uv is given where packages are built from source: Python, but locked down.

uv itself is trusted and stays outside, with the index, its credentials and its cache; but all code of a package that a
build runs, it runs by this. Started, by a script that :mod:`cadence.dependencies.building` writes, as
``python -m cadence_sdk._runtime.build FOLDER USER PROGRAM ARGUMENT…``: ``FOLDER`` is private to one workbench,
``USER`` the id that builds take or ``-`` for none, ``PROGRAM`` what uv called the interpreter by.

::

    FOLDER/python/bin/python    the script          FOLDER/cache      uv's
    FOLDER/python/lib …         links to Python's   FOLDER/stages     what builds write to
    FOLDER/network.json         granted endpoints   FOLDER/gateway    the socket to the server, where there are some

This process waits, watches and hands over the results. A child enters the namespaces; the first process in them stays,
waits for what is orphaned and takes all with it when it ends; its child becomes the real interpreter. There the script
is mounted over by that interpreter, so that what a build starts as ``sys.executable`` is Python and no second lockdown.
"""

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

import msgspec

from cadence_sdk._runtime.build_call import Call, Hook
from cadence_sdk._runtime.build_confinement import Bounds, confine, hosts_file, lacking
from cadence_sdk._runtime.build_stage import Stage, Unusable, used_bytes
from cadence_sdk._runtime.build_watch import BuildLimits, Exceeded, Said, Watch, connect_gateway
from cadence_sdk._runtime.endpoint import Endpoint
from cadence_sdk._runtime.lockdown import host as host_
from cadence_sdk._runtime.lockdown import kernel

#: The exit code where nothing of the build was run, or its results could not be used.
_REFUSED = 1
_LIMITS = BuildLimits()


class Workbench:
    """Where the parts of one workbench lie, and what its builds were granted."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "python"
        self.wrapper = self.home / "bin" / "python"
        self.cache = folder / "cache"
        self.stages = folder / "stages"
        self.gateway = folder / "gateway"
        self.hosts = folder / "hosts"
        self.network = msgspec.json.decode((folder / "network.json").read_bytes(), type=tuple[Endpoint, ...])

    @property
    def interpreter(self) -> Path:
        """The real one."""
        return Path(sys.executable).resolve()


def main(folder: Path, user: int | None, program: str, arguments: tuple[str, ...]) -> int:
    """Run one call of the interpreter; returns its exit code."""
    # uv hands over none but the standard descriptors; what it would by mistake is not the build's.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    bench = Workbench(folder)
    call = Call(program, arguments, Path.cwd(), bench.cache)
    if call.compiles:
        os.execve(bench.interpreter, [program, *arguments], _environment(call, None, None))  # noqa: S606
    stage = None
    try:
        stage = Stage(bench.stages, call.hook, user)
        code = _run(bench, call, stage, user)
        if code == 0:
            stage.deliver()
    except (Exceeded, Unusable) as error:
        return _refuse(f"The build was ended: {error}.")
    finally:
        if stage is not None:
            stage.remove()
    return code


def _run(bench: Workbench, call: Call, stage: Stage, user: int | None) -> int:
    """Run it confined, to the end of all its processes."""
    # By number, not by a signal at its end: the kernel sends that when the thread of uv ends that started this process.
    parent = os.pidfd_open(os.getppid())
    pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
    pid = os.fork()
    if pid == 0:
        _become_build(bench, call, stage, user, [writer for _, writer in pipes])
    for _, writer in pipes:
        os.close(writer)
    said = [Said(_LIMITS.output_bytes) for _ in pipes]
    outputs = {reader: kept for (reader, _), kept in zip(pipes, said, strict=True)}
    try:
        return Watch(pid, outputs, _LIMITS, lambda: used_bytes(stage.folders)).until_end(parent)
    finally:
        for descriptor, kept in zip((1, 2), said, strict=True):
            # What uv asks for is an answer in one line, and short.
            _say(descriptor, kept.shown(_LIMITS.line_bytes if call.hook else None))


def _become_build(bench: Workbench, call: Call, stage: Stage, user: int | None, outputs: list[int]) -> NoReturn:
    code = _REFUSED
    try:
        for number, descriptor in enumerate(outputs, start=1):
            os.dup2(descriptor, number)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        # The session by which its processes are counted.
        os.setsid()
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        code = _enter(bench, call, stage, user)
    except BaseException as error:  # noqa: BLE001  (a process that was forked must not go on as the one it came from)
        _refuse(f"The build could not be confined, so nothing of it was run: {error!r}")
    finally:
        os._exit(code)


def _enter(bench: Workbench, call: Call, stage: Stage, user: int | None) -> int:
    """Go on as the first process of namespaces of its own, wait for the build there; returns its exit code."""
    gateway = connect_gateway(bench.gateway) if bench.network else None
    nothing = os.open(os.devnull, os.O_RDONLY)
    host = host_.probe(host_.enter(nothing))
    os.close(nothing)
    if (missing := lacking(host)) is not None:
        return _refuse(f"Building from source needs the sandbox, and this host lacks some of it: {missing}.")
    child = os.fork()
    if child:
        if gateway is not None:
            gateway.close()
        return _await(child)
    environment = _environment(call, call.hook, stage.temporary)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and what it becomes would too
        signal.signal(number, signal.SIG_DFL)
    confine(host, _bounds(bench, call, stage, user if host.users else None), _LIMITS.of_a_process, gateway)
    return os.execve(call.program, [call.program, *call.arguments], environment)  # noqa: S606  (never returns)


def _await(child: int) -> int:
    """Wait for a child, and for whatever else is left to this process; returns the child's exit code."""
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _bounds(bench: Workbench, call: Call, stage: Stage, user: int | None) -> Bounds:
    hook = call.hook
    covers: tuple[tuple[Path, Path], ...] = ((bench.interpreter, bench.wrapper),)
    if bench.network:
        bench.hosts.write_text(hosts_file(bench.network))
        covers += ((bench.hosts, Path("/etc/hosts")),)
    base = Path(sys.base_prefix)
    # Backends look for what version control ignores (hatchling), upwards to where uv put an end to it.
    own = (hook.environment, *(hook.bucket / name for name in (".git", ".gitignore"))) if hook else (bench.cache,)
    return Bounds(
        directory=call.directory,
        temporary=stage.temporary,
        shared_memory=stage.shared_memory,
        mounts=stage.mounts,
        covers=covers,
        readable=(bench.home, base / "lib", base / "lib64", base / "include", *own),
        user=user,
        network=bench.network,
    )


def _environment(call: Call, hook: Hook | None, temporary: Path | None) -> dict[str, str]:
    """All that a build finds in its environment: nothing of the server's."""
    values = {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "PYTHONUNBUFFERED": "1",
    }
    if temporary is not None:
        values |= {"HOME": str(temporary), "TMPDIR": str(temporary)}
    if hook is not None:
        programs = hook.environment / "bin"
        values |= {"PATH": f"{programs}:{os.defpath}", "VIRTUAL_ENV": str(hook.environment)}
    return values


def _refuse(words: str) -> int:
    _say(2, f"{words}\n".encode())
    return _REFUSED


def _say(descriptor: int, text: bytes) -> None:
    rest = memoryview(text)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


if __name__ == "__main__":
    _folder, _user, _program, *_arguments = sys.argv[1:]
    sys.exit(main(Path(_folder), None if _user == "-" else int(_user), _program, tuple(_arguments)))
