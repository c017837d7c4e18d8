"""Tries the examples that a plugin's tools were given, and says of each what came of it."""

import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cadence_sdk._runtime.difference import difference, shortened, shown
from cadence_sdk._runtime.exhaustion import is_out_of_memory, named_limits
from cadence_sdk._runtime.failure import describe
from cadence_sdk._runtime.limits import Limits
from cadence_sdk._runtime.report import MAX_EXAMPLES_PER_PLUGIN, ExampleResult, Fault
from cadence_sdk._runtime.results import to_json
from cadence_sdk._runtime.tools import ArgumentsInvalid, ToolCall
from cadence_sdk.examples import Example

_MAX_ERROR_CHARS = 600


class _Outcome(NamedTuple):
    """What a call came to: the JSON of its result, or what was raised."""

    value: msgspec.Raw | None
    error: BaseException | None = None


#: Runs a coroutine, which never raises, to its end.
Wait = Callable[[Coroutine[Any, Any, _Outcome]], _Outcome]


class SelfTest:
    """One run of all examples of some tools, in the thread that calls :meth:`run`.

    :param tools: at most :data:`~cadence_sdk._runtime.report.MAX_EXAMPLES_PER_PLUGIN` of their examples are tried.
    :param wait: runs a coroutine to its end and gives what it returns.
    :param folder: the plugin's files, to say where in them an exception was raised.
    :param limits: what the plugin is under: no example may take longer than a call.
    """

    def __init__(self, tools: Iterable[ToolCall], wait: Wait, folder: Path, limits: Limits | None = None) -> None:
        every = [(tool, example) for tool in tools for example in tool.examples]
        self._examples = every[:MAX_EXAMPLES_PER_PLUGIN]
        self._wait = wait
        self._folder = folder
        self._limits = limits
        self._results: list[ExampleResult] = []
        self._started = 0.0
        #: What was raised for want of memory: it may have failed anywhere, and the process is no good any more.
        self.exhausted: BaseException | None = None
        #: What is said of the example that took too long, after :meth:`overrun`.
        self.late = ""

    def run(self, watch: "Watch | None" = None) -> tuple[ExampleResult, ...]:
        """Try them one after the other; never raises.

        :param watch: is told of each, and may end the run by its own means when one takes too long.
        """
        for tool, example in self._examples:
            if watch and not watch.begin():
                break
            self._started = time.perf_counter()
            self._results.append(self._tried(tool, example))
        return tuple(self._results)

    def overrun(self, seconds: float) -> tuple[ExampleResult, ...]:
        """The results while one example is still under way, which had ``seconds``; called from another thread."""
        results = list(self._results)
        late = len(results)
        words = f"had not answered after {seconds:.3g} s" if self._started else "was not tried: no time was left for it"
        for tool, example in self._examples[len(results) :]:
            results.append(self._result(tool, example, words))
            if self._started:
                words = "was not tried, because one before it took too long"
        self.late = "".join(result.words for result in results[late : late + 1])
        return tuple(results)

    def _tried(self, tool: ToolCall, example: Example) -> ExampleResult:
        try:
            args = json.loads(example.arguments)
            if unknown := tool.unknown(args):
                names = ", ".join(f"`{name}`" for name in unknown)
                return self._result(tool, example, f"does not fit the tool, which has no argument {names}")
            outcome = self._wait(_acalled(tool, args)) if tool.is_async else _called(tool, args)
            if outcome.error is not None and is_out_of_memory(outcome.error):
                self.exhausted = outcome.error
            words, passed = self._verdict(example, outcome)
        except BaseException as error:  # noqa: BLE001  (a plugin's objects run their own code in many places)
            words, passed = f"could not be tried: {describe(error, self._folder)}", False
        return self._result(tool, example, words, passed=passed)

    def _result(self, tool: ToolCall, example: Example, words: str, *, passed: bool = False) -> ExampleResult:
        ms = round((time.perf_counter() - self._started) * 1000, 3)
        args = json.loads(example.arguments)
        return ExampleResult(tool.spec.name, args, passed, f"{called(tool.spec.name, args)} {words}.", ms)

    def _verdict(self, example: Example, outcome: _Outcome) -> tuple[str, bool]:
        """What a call did, to stand after its name, and whether that is what was expected."""
        error = outcome.error
        if isinstance(error, ArgumentsInvalid):
            return f"does not fit the tool: {shortened(str(error), _MAX_ERROR_CHARS).rstrip('.')}", False
        if error is not None:
            return self._raised(example, error)
        assert outcome.value is not None
        return _returned(example, msgspec.json.decode(outcome.value))

    def _raised(self, example: Example, error: BaseException) -> tuple[str, bool]:
        words = shortened(describe(error, self._folder), _MAX_ERROR_CHARS)
        if example.raises is not None and example.raises in describe(error):
            return f"raised {words}", True
        reached = "".join(f". {sentence.rstrip('.')}" for sentence in named_limits(error, self._limits))
        return f"raised {words}{_where(example)}{reached}", False


class Watch:
    """Looks from a thread of its own whether an example takes too long.

    :param each: how long one may take, in seconds.
    :param together: how long all may take from now on.
    :param overrun: called once, in that thread, with how long the example had that took too long.
    :raises RuntimeError: when there can be no more threads.
    """

    def __init__(self, each: float, together: float, overrun: Callable[[float], object]) -> None:
        self._each = each
        self._until = time.monotonic() + together
        self._overrun = overrun
        self._changed = threading.Condition()
        self._began = time.monotonic()
        self._over = False
        self._done = False
        threading.Thread(target=self._look, name="self-test", daemon=True).start()

    def begin(self) -> bool:
        """An example begins; False when the run is over."""
        with self._changed:
            self._began = time.monotonic()
            return not self._over

    def end(self) -> bool:
        """All have answered; False when that came too late, and the run is over."""
        with self._changed:
            self._done = True
            self._changed.notify()
            return not self._over

    def _look(self) -> None:
        with self._changed:
            while not self._done and (left := self._left()) > 0:
                self._changed.wait(left)
            if self._done:
                return
            self._over = True
            had = time.monotonic() - self._began
        self._overrun(had)

    def _left(self) -> float:
        return min(self._began + self._each, self._until) - time.monotonic()


def faults_of(results: Iterable[ExampleResult]) -> tuple[Fault, ...]:
    """What is wrong with a plugin by the results of its examples."""
    return tuple(
        Fault("trial", "example_failed", f"The example {result.words}", result.tool)
        for result in results
        if not result.passed
    )


def too_many(tools: Iterable[ToolCall]) -> tuple[Fault, ...]:
    """The fault of a plugin with more examples than can be tried, if it is one."""
    count = sum(len(tool.examples) for tool in tools)
    if count <= MAX_EXAMPLES_PER_PLUGIN:
        return ()
    words = f"The tools have {count} examples together; at most {MAX_EXAMPLES_PER_PLUGIN} can be tried."
    return (Fault("trial", "too_many_examples", words),)


def called(tool: str, args: dict[str, Any]) -> str:
    """A call as it can stand in a sentence: ``add(a=2, b=3)``."""
    if all(name.isidentifier() for name in args):
        given = ", ".join(f"{name}={shown(value)}" for name, value in args.items())
    else:
        given = shown(args)
    return f"{tool}({shortened(given)})"


def _called(tool: ToolCall, args: dict[str, Any]) -> _Outcome:
    try:
        return _Outcome(to_json(tool.call(args)))
    except BaseException as error:  # noqa: BLE001  (also SystemExit: an example must not end its thread)
        return _Outcome(None, error)


async def _acalled(tool: ToolCall, args: dict[str, Any]) -> _Outcome:
    try:
        return _Outcome(to_json(await tool.acall(args)))
    except BaseException as error:  # noqa: BLE001  (also SystemExit: it would end the loop)
        return _Outcome(None, error)


def _returned(example: Example, value: Any) -> tuple[str, bool]:
    if example.raises is not None:
        return f"returned {shown(value)}{_where(example)}", False
    if example.contains is not None and not (isinstance(value, str) and example.contains in value):
        return f"returned {shown(value)}{_where(example)}", False
    differs = None
    if example.returns is not None:
        differs = difference(value, json.loads(example.returns), example.within)
    return f"returned {differs or shown(value)}", differs is None


def _where(example: Example) -> str:
    """What is expected, to stand after what came instead."""
    if example.raises is not None:
        return f", where an exception with {shown(example.raises)} in its words is expected"
    if example.contains is not None:
        return f", where a text with {shown(example.contains)} in it is expected"
    if example.returns is not None:
        return f", where {shown(json.loads(example.returns))} is expected"
    return ""
