"""The server's handle on one worker process: call, check, drain, kill."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cadence.errors import (
    CallFailed,
    CallTimedOut,
    InvalidArguments,
    LimitReached,
    NotFound,
    RequestTooLarge,
    ToolRaised,
    ValidationFailed,
    WorkerEnded,
)
from cadence.model import ExampleResult, Fault, Granted, HealthReport, Limits, PluginRef, Stage, TrialReport
from cadence.runtime.cgroup import Group
from cadence.runtime.channel import Channel, ChannelClosed, ChannelGone, MessageTooDeep, MessageTooLarge, ReplyTimeout
from cadence.runtime.ending import Ending, ended_at, ended_because, ended_with
from cadence_sdk._runtime import wire

log = logging.getLogger(__name__)

#: How long the status of a worker may take to arrive after its channel closed, in seconds.
_EXIT_NOTICE_SECONDS = 2.0
#: How much of the time for a self-test the worker itself takes.
_SELF_TEST_SHARE = 0.9
#: A system prompt of an agent that has more cannot be used: it is paid for with every question to a model.
MAX_PROMPT_CHARACTERS = 100_000


class Draining(Exception):
    """This worker takes no new calls; ask for the one that took its place."""


class Worker:
    """One running version. Made by the launcher, which has the plugin loaded before anyone else sees the worker.

    :param on_end: called once, with this worker, when the process has ended; from another thread.
    :param last_words: waits until the log of an ended worker is complete and gives its last line, if any.
    :param granted: the grants it runs with.
    :param limits: the limits that come of them.
    """

    def __init__(
        self,
        ref: PluginRef,
        channel: Channel,
        on_end: Callable[["Worker"], None],
        last_words: Callable[[], str | None],
        granted: Granted,
        limits: Limits,
    ) -> None:
        self.ref = ref
        self.granted = granted
        self.limits = limits
        self.pid = 0
        self.group = Group(())
        #: Where it keeps its temporary files; nowhere until that is made.
        self.writable: tuple[Path, ...] = ()
        #: What an operator should know of it though it runs.
        self.notice: str | None = None
        #: Whether the process has ended; ``ended`` follows once nobody is sent here any more.
        self.gone = False
        self.ended = threading.Event()
        self.ending: Ending | None = None
        self.started_at = time.monotonic()
        #: Set by the live set once another worker is on its way to take this one's place.
        self.replacing = False
        self._report: TrialReport | None = None
        self._channel = channel
        self._on_end = on_end
        self._last_words = last_words
        self._pidfd = -1
        self._gate = threading.Lock()
        self._in_flight = 0
        self._held = 0
        self._draining = False
        self._renounced = False

    @property
    def report(self) -> TrialReport:
        """What loading the plugin found; there once :meth:`load` has returned."""
        if self._report is None:
            raise RuntimeError("the worker has not loaded")
        return self._report

    def load(self, spec: wire.WorkerSpec, timeout: float, connects: Callable[[int], None] | None = None) -> None:
        """Have it load the plugin; a worker that cannot is ended.

        :param connects: takes the descriptor by which a worker that may connect asks for its connections.
        :raises ValidationFailed: with every fault that was found, or the one that ended the worker.
        """
        try:
            self._channel.send_spec(spec, timeout)
            if connects:
                connects(self._channel.receive_listener(timeout))
            loaded = self._channel.receive_loaded(timeout)
        except ReplyTimeout:
            self.kill("it took too long to load")
            words = f"Loading {self.ref.name} took longer than {timeout:g} s."
            raise self._not_loaded("load_timeout", words) from None
        except ChannelClosed as closed:
            words = self._loading_ended(closed)
            raise self._not_loaded("limit_reached" if self._limit else "worker_ended", words) from None
        if loaded.report is None:
            self.kill("it did not load")
            if not loaded.faults:
                raise self._not_loaded("no_report", f"Loading {self.ref.name} failed without a reason.")
            failure = ValidationFailed(ref=self.ref, faults=loaded.faults)
            failure.requests = loaded.requests
            raise failure
        self._report = loaded.report

    @property
    def end_words(self) -> str:
        """How it ended, to stand after "the worker"; empty while it runs."""
        return self.ending.words if self.ending else ""

    @property
    def why_it_failed(self) -> str | None:
        """Why it ended, for the plugin's log, where nobody wanted it to; a limit also before it had loaded."""
        return self._limit or (f"the worker {self.end_words}" if self._failed_after_loading else None)

    @property
    def _failed_after_loading(self) -> bool:
        return self._report is not None and not self._draining

    @property
    def busy(self) -> bool:
        """Whether somebody waits for an answer of it."""
        return self._in_flight > 0

    @property
    def held(self) -> bool:
        """Whether somebody keeps it from ending when it drains."""
        return self._held > 0

    @property
    def draining(self) -> bool:
        """Whether it has been told to take no new calls."""
        return self._draining

    def hold(self) -> bool:
        """Keep it from ending when it drains, until :meth:`let_go`. Returns False where it takes no new calls."""
        with self._gate:
            if self._draining or self.gone:
                return False
            self._held += 1
            return True

    def let_go(self) -> None:
        """Undo one :meth:`hold`."""
        with self._gate:
            self._held -= 1
            last = self._may_stop
        if last:
            self._channel.send_stop()

    def call(self, tool: str, args: Mapping[str, Any], timeout: float) -> Any:
        """Call a tool and wait for its result, any JSON value.

        Whoever holds it may ask it while it drains too.

        :raises Draining: before anything was sent, when another worker is to be asked.
        :raises InvalidArguments: the arguments do not fit the tool's schema.
        :raises NotFound: there is no such tool.
        :raises CallFailed: ``ToolRaised``, ``WorkerEnded`` or ``CallTimedOut``, after ``timeout`` seconds.
        """
        what = f"{self.ref.name}.{tool}"
        reply = self._request(lambda id_: wire.Call(id_, tool, dict(args)), what, timeout)
        if isinstance(reply, wire.Result):
            return reply.value
        if isinstance(reply, wire.Failed):
            raise self._failure(what, reply)
        raise self._stranger(what)

    def check_health(self, timeout: float) -> HealthReport:
        """Run the plugin's health check. Raises like :meth:`call`."""
        what = f"The health check of {self.ref.name}"
        reply = self._request(wire.CheckHealth, what, timeout)
        if isinstance(reply, wire.Health):
            return reply.report
        if isinstance(reply, wire.Failed):
            raise self._failure(what, reply)
        raise self._stranger(what)

    def prompt(self, timeout: float) -> str:
        """The agent's system prompt as it is now. Raises like :meth:`call`."""
        what = f"The system prompt of {self.ref.name}"
        reply = self._request(wire.AskPrompt, what, timeout)
        if isinstance(reply, wire.Failed):
            raise self._failure(what, reply)
        if not isinstance(reply, wire.Prompted):
            raise self._stranger(what)
        if len(reply.prompt) > MAX_PROMPT_CHARACTERS:
            words = f"{what} has {len(reply.prompt)} characters; at most {MAX_PROMPT_CHARACTERS} are taken."
            raise CallFailed(words, ref=self.ref)
        return reply.prompt

    def route(self, messages: Sequence[Mapping[str, Any]], timeout: float) -> str:
        """Have the agent decide where a conversation goes on: ``continue`` or ``back``. Raises like :meth:`call`."""
        what = f"The routing of {self.ref.name}"
        asked = tuple(map(dict, messages))
        reply = self._request(lambda id_: wire.Route(id_, asked), what, timeout)
        if isinstance(reply, wire.Routed):
            return reply.decision
        if isinstance(reply, wire.Failed):
            raise self._failure(what, reply)
        raise self._stranger(what)

    def self_test(self, timeout: float) -> tuple[ExampleResult, ...]:
        """Try the examples of all tools within ``timeout`` seconds. Raises like :meth:`call`.

        :returns: what came of each; none where the tools have none.
        """
        what = f"The self-test of {self.ref.name}"
        # The worker gives up a little earlier, so that it can say which example it was.
        reply = self._request(lambda id_: wire.SelfTest(id_, timeout * _SELF_TEST_SHARE), what, timeout)
        if isinstance(reply, wire.SelfTested):
            return reply.results
        if isinstance(reply, wire.Failed):
            raise self._failure(what, reply)
        raise self._stranger(what)

    def drain(self, *, renounced: bool = False) -> None:
        """Take no new calls; end once those in flight have answered and nobody holds it.

        :param renounced: whether those who hold it may not ask it any more either.
        """
        with self._gate:
            if self._draining and (self._renounced or not renounced):
                return
            self._draining = True
            self._renounced = renounced
            idle = self._may_stop
        if idle:
            self._channel.send_stop()

    @property
    def _may_stop(self) -> bool:
        """Whether nobody asks it, nor will any more; within the gate."""
        return self._draining and self._in_flight == 0 and (self._held == 0 or self._renounced)

    def kill(self, reason: str) -> None:
        """End it now; whoever waits for an answer is told the reason. Does nothing to one that has ended."""
        self._end(ended_because(reason), reason)

    def stop_at(self, limit: str) -> None:
        """End it now, because it came to a limit: "data limit of 1024 MiB reached". Otherwise as :meth:`kill`."""
        self._end(ended_at(limit), limit)

    def _end(self, ending: Ending, reason: str) -> None:
        with self._gate:
            if not self.gone:
                self.ending = self.ending or ending
        self._channel.close(reason)
        with self._gate, contextlib.suppress(ProcessLookupError):
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def forked(self, pid: int, pidfd: int, group: Group) -> None:
        """Called by the launcher: the process exists."""
        with self._gate:
            self.pid, self.group = pid, group
            if self.gone:
                os.close(pidfd)
            else:
                self._pidfd = pidfd

    def exited(self, status: int | None, grown_kb: int) -> None:
        """Called by the zygote's handle: the process has ended with this ``waitpid`` status, after it grew so far."""
        with self._gate:
            kills = self.group.memory_kills()
            if self.ending is None and self._channel.breach:
                # It may have ended by itself when its channel was closed for that.
                self.ending = ended_because(self._channel.breach)
            self.ending = self.ending or ended_with(status, self.limits, grown_kb=grown_kb, memory_kills=kills)
            self.gone = True
            if self._pidfd >= 0:
                if status is None:
                    # The zygote is gone and should have taken it along; a plugin can tell the kernel not to.
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                os.close(self._pidfd)
                self._pidfd = -1
        if self._failed_after_loading:
            # Callers are told too, but there may have been none.
            log.warning("The worker of %s %s.", self.ref.slug, self.end_words)
        # First of all nobody may be sent to it any more; then those who wait for it are told.
        self._on_end(self)
        self.ended.set()
        self._channel.close(self.end_words)
        self._channel.dispose()

    def _request(self, build: Callable[[int], wire.Question], what: str, timeout: float) -> wire.Reply:
        with self._gate:
            if self._draining and (self._held == 0 or self._renounced):
                raise Draining
            self._in_flight += 1
        try:
            return self._channel.request(build, timeout)
        except ChannelGone:
            # Nothing was sent, so another worker may be asked without doing anything twice. Mostly it has ended by
            # itself, and how it did is about to be known.
            if not self.ended.wait(_EXIT_NOTICE_SECONDS):
                self.kill("it closed its channel")
                self.ended.wait(_EXIT_NOTICE_SECONDS)
            raise Draining from None
        except MessageTooLarge as refused:
            raise RequestTooLarge(f"The arguments of {what} have {refused}.", ref=self.ref) from None
        except MessageTooDeep:
            words = f"The arguments of {what} are nested more than {wire.MAX_NESTING} levels deep."
            raise InvalidArguments(words, ref=self.ref) from None
        except ReplyTimeout:
            words = f"{what} did not answer within {round(timeout, 2):g} s. The plugin is started anew"
            raise CallTimedOut(f"{words}: {self.limits.call_reached}.", ref=self.ref) from None
        except ChannelClosed as closed:
            words = self._why(closed)
            raise (LimitReached if self._limit else WorkerEnded)(words, ref=self.ref) from None
        finally:
            with self._gate:
                self._in_flight -= 1
                last = self._may_stop
            if last:
                self._channel.send_stop()

    @property
    def _limit(self) -> str | None:
        return self.ending.limit if self.ending else None

    def _why(self, closed: ChannelClosed) -> str:
        """Why the channel ended, in words: by the worker's exit where it exited, else by what it did instead."""
        if not self.ended.wait(0 if "protocol" in str(closed) else _EXIT_NOTICE_SECONDS):
            self.kill(str(closed))
            return f"The worker of {self.ref.name} was ended because {closed}."
        return f"The worker of {self.ref.name} {self.end_words}."

    def _loading_ended(self, closed: ChannelClosed) -> str:
        words = f"{self.ref.name} did not finish loading. {self._why(closed)}"
        last = None if self._limit else self._last_words()
        return f"{words} The last line it wrote: {last}" if last else words

    def _not_loaded(self, code: str, words: str) -> ValidationFailed:
        return ValidationFailed(ref=self.ref, faults=[Fault(Stage.TRIAL, code, words)])

    def _failure(self, what: str, reply: wire.Failed) -> CallFailed | InvalidArguments | NotFound:
        if reply.kind == "arguments":
            return InvalidArguments(*reply.sentences, ref=self.ref)
        if reply.kind == "unknown":
            return NotFound(*reply.sentences, ref=self.ref)
        if reply.kind == "memory":
            return LimitReached(f"{what}: {self.limits.memory_reached}.", *reply.sentences, ref=self.ref)
        if reply.kind == "deadline":
            return CallTimedOut(*reply.sentences, "The plugin is started anew.", ref=self.ref)
        if reply.kind == "raised":
            return ToolRaised(*reply.sentences, ref=self.ref)
        return CallFailed(*reply.sentences, ref=self.ref)

    def _stranger(self, what: str) -> WorkerEnded:
        self.kill("it broke the protocol: a reply of another kind than the request")
        return WorkerEnded(f"{what} was answered by a reply of another kind; the worker was ended.", ref=self.ref)
