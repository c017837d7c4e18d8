"""From a version's folder to a worker that has loaded it."""

import itertools
import math
import os
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec import Struct

from cadence.errors import CadenceError, PluginUnavailable
from cadence.model import Granted, Limits, PluginRef
from cadence.progress import Cancellation
from cadence.runtime.cgroup import NICE_WITHOUT_GROUP
from cadence.runtime.channel import Channel
from cadence.runtime.gateway import Gateway
from cadence.runtime.log_lines import Level
from cadence.runtime.logs import Logs
from cadence.runtime.output import Output
from cadence.runtime.users import Users
from cadence.runtime.warden import Premises, Warden
from cadence.runtime.worker import Worker
from cadence.runtime.zygote import Zygote
from cadence_sdk._runtime import wire

#: How long to wait for a killed worker to be gone, in seconds.
_END_SECONDS = 5.0
#: Within how much of its time to load a plugin's examples have to be through, so that the worker can say which was not.
_EXAMPLES_SHARE = 0.9


class Launch(Struct, frozen=True):
    """What is to be run: the version, the folder of its files, and that of its dependencies.

    ``isolated`` is whether the folder of its dependencies holds all it imports: then it gets a fresh interpreter.
    ``trial`` False lets it load though it is unhealthy, because nothing better is there; with that, or ``examples``
    False, the examples of its tools are not tried. ``granted`` is what it may beyond what every plugin may.
    """

    ref: PluginRef
    package: Path
    environment: Path | None = None
    isolated: bool = False
    trial: bool = True
    examples: bool = True
    granted: Granted = Granted()


class Launcher:
    """Starts workers.

    Each gets a private snapshot of its plugin's folder, so that the files under a running plugin stay what they
    were when it was loaded, also while the folder in the store is replaced.

    :param zygote: forks the workers of plugins that share the preloaded packages.
    :param bare_zygote: forks those of isolated plugins; it is started with the first of them.
    :param run_dir: folder for the snapshots and temporary directories of this server's workers.
    :param data_dir: folder that holds one data directory per plugin.
    :param snapshot: copies a plugin's folder to a path that does not exist yet.
    :param remove: deletes a folder with whatever a plugin left in it.
    :param limits: what a plugin has whose grants do not say otherwise.
    :param in_background: runs a clean-up that nobody waits for.
    :param gateway: makes the connections that plugins were granted.
    :param admit: raises ``PluginUnavailable`` where plugins may not run on this host.
    :param keep: keeps an environment from being removed until what it returns is called; raises
        ``PluginUnavailable`` where it is gone.
    """

    def __init__(
        self,
        zygote: Zygote,
        bare_zygote: Zygote,
        logs: Logs,
        run_dir: Path,
        data_dir: Path,
        snapshot: Callable[[Path, Path], object],
        remove: Callable[[Path], None],
        max_message_bytes: int,
        in_background: Callable[[Callable[[], None]], object],
        admit: Callable[[PluginRef], None],
        limits: Limits,
        gateway: Gateway,
        keep: Callable[[Path], Callable[[], None]],
    ) -> None:
        self._keep = keep
        self._zygote = zygote
        self._bare_zygote = bare_zygote
        self._logs = logs
        self._run_dir = run_dir
        self._data_dir = data_dir
        self._snapshot = snapshot
        self._remove = remove
        self._max_message_bytes = max_message_bytes
        self._in_background = in_background
        #: Raises ``PluginUnavailable`` where plugins may not run on this host.
        self.admit = admit
        self._limits = limits
        self._gateway = gateway
        self._users = Users(data_dir)
        self._warden = Warden(lambda worker, words: logs.note(worker.ref.name, worker.ref.version, words))
        self._serials = itertools.count(1)
        self._guard = threading.Lock()
        self._workers: set[Worker] = set()
        self._closed = False

    def launch(
        self,
        what: Launch,
        timeout: float,
        on_end: Callable[[Worker], None],
        on_room: Callable[[Worker], None],
        cancelled: Cancellation | None = None,
    ) -> Worker:
        """Fork a worker and have it load the plugin.

        :param timeout: seconds it has for that.
        :param on_end: called when the worker has ended, also when that happens before this returns.
        :param on_room: called once a worker that could only read and delete, because its files were over their limit,
            could be replaced by one that may write.
        :param cancelled: ends the worker when it is said before the plugin has loaded.
        :raises ValidationFailed: with every fault the worker found, or the one that ended it.
        :raises PluginUnavailable: when the host gives no process, or not the sandbox that is required.
        :raises NotFound: when the folder of its files is gone.
        """
        self.admit(what.ref)
        zygote = self._bare_zygote if what.isolated else self._zygote
        let_go = self._keep(what.environment) if what.environment else _nothing
        home = self._run_dir / str(next(self._serials))
        try:
            spec = self._prepare(what, home, zygote, timeout)
            worker = self._fork(what, spec, zygote, partial(self._leave, home, let_go), on_end, on_room)
        except BaseException:
            self._leave(home, let_go)
            raise
        with (cancelled or Cancellation()).ending(partial(worker.kill, "it was cancelled")):
            worker.load(spec, timeout, partial(self._connect, spec) if _asks(spec, zygote) else None)
        return worker

    def close(self) -> None:
        """End every worker that is left, also one that is still loading, and start no more."""
        with self._guard:
            self._closed = True
            workers = list(self._workers)
        for worker in workers:
            worker.drain()
            worker.kill("the server is shutting down")
        for worker in workers:
            worker.ended.wait(_END_SECONDS)
        self._warden.close()

    def _prepare(self, what: Launch, home: Path, zygote: Zygote, timeout: float) -> wire.WorkerSpec:
        data, temporary = self._data_dir / what.ref.name, home / "tmp"
        home.mkdir(parents=True, mode=0o700)
        temporary.mkdir(mode=0o700)
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        package = home / what.ref.slug
        self._snapshot(what.package, package)
        user = self._user(data, home, temporary, zygote)
        grants = what.granted.grants
        limits = grants.limits(self._limits)
        # By default numerical libraries start a thread, with buffers, for every processor of the host.
        numerical = {"OMP_NUM_THREADS": str(math.ceil(limits.cpu_percent / 100))}
        env = (
            numerical
            | grants.env
            | {
                "PATH": os.defpath,
                "LANG": "C.UTF-8",
                "HOME": str(data),
                "TMPDIR": str(temporary),
                "CADENCE_PLUGIN_DATA": str(data),
            }
        )
        return wire.WorkerSpec(
            name=what.ref.name,
            version=what.ref.version,
            package=str(package),
            data=str(data),
            temporary=str(temporary),
            max_message_bytes=self._max_message_bytes,
            environment=str(what.environment) if what.environment else None,
            env=env,
            trial=what.trial,
            limits=limits,
            network=grants.network,
            user=user,
            full=zygote.confines and Premises(data, temporary).full(limits),
            nice=0 if zygote.groups.bounds_cpu else NICE_WITHOUT_GROUP,
            examples_seconds=timeout * _EXAMPLES_SHARE if what.trial and what.examples else None,
        )

    def _user(self, data: Path, home: Path, temporary: Path, zygote: Zygote) -> int | None:
        """The user the worker is to run as, to whom its folders are given; None for the server's own."""
        if not zygote.users:
            self._users.release(data)
            return None
        user = self._users.own(data)
        os.chown(temporary, user, user)
        # Its own group passes through to what is in it; the workers of other plugins do not.
        os.chown(home, -1, user)
        home.chmod(0o710)
        return user

    def _fork(
        self,
        what: Launch,
        spec: wire.WorkerSpec,
        zygote: Zygote,
        leave: Callable[[], None],
        on_end: Callable[[Worker], None],
        on_room: Callable[[Worker], None],
    ) -> Worker:
        ref = what.ref

        def ended(worker: Worker) -> None:
            self._workers.discard(worker)
            self._warden.release(worker)
            self._in_background(partial(self._clean_up, worker, leave))
            if why := worker.why_it_failed:
                self._logs.note(ref.name, ref.version, why, Level.ERROR)
            on_end(worker)

        if self._closed:
            raise PluginUnavailable("The server is shutting down.")
        ours, theirs = socket.socketpair()
        output = Output(self._logs, ref)
        channel = Channel(ours, self._max_message_bytes, listener=_asks(spec, zygote))
        worker = Worker(ref, channel, ended, output.last_words, what.granted, spec.limits)
        try:
            worker.forked(*zygote.fork(theirs, output.stdout, output.stderr, worker.exited))
            if zygote.confines:
                self._bound(worker, spec, on_room)
        except CadenceError:
            channel.close("it could not be started")
            channel.dispose()
            raise
        finally:
            theirs.close()
            output.hand_over()
        with self._guard:
            if not worker.ended.is_set():
                self._workers.add(worker)
            closed = self._closed
        if closed:
            worker.kill("the server is shutting down")
        return worker

    def _connect(self, spec: wire.WorkerSpec, listener: int) -> None:
        self._gateway.attach(listener, spec.network, partial(self._logs.note, spec.name, spec.version))

    def _bound(self, worker: Worker, spec: wire.WorkerSpec, on_room: Callable[[Worker], None]) -> None:
        """Set limits upon what the worker may take, which does nothing of its own yet.

        :raises PluginUnavailable: when the kernel does not take them; then it is ended.
        """
        try:
            worker.group.limit(spec.limits)
        except OSError as error:
            worker.kill("its limits could not be set")
            raise PluginUnavailable(f"The limits of {spec.name} could not be set: {error.strerror}.") from None
        if spec.full:
            words = f"{spec.limits.data_reached}: the plugin may only read and delete there until it holds less"
            worker.notice = f"{words[0].upper()}{words[1:]}."
            self._logs.note(spec.name, spec.version, words)
        premises = Premises(Path(spec.data), Path(spec.temporary))
        worker.writable = (premises.temporary,)
        self._warden.watch(worker, premises, worker.group, on_room if spec.full else None)

    def _clean_up(self, worker: Worker, leave: Callable[[], None]) -> None:
        worker.group.remove()
        leave()

    def _leave(self, home: Path, let_go: Callable[[], None]) -> None:
        """Remove what a worker had to itself, and what was kept for it."""
        self._remove(home)
        let_go()


def _asks(spec: wire.WorkerSpec, zygote: Zygote) -> bool:
    """Whether the worker asks for its connections; one that is not confined makes them itself."""
    return bool(spec.network) and zygote.asks


def _nothing() -> None:
    """There is no environment to let go."""
