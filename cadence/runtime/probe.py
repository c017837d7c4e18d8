"""Whether the services that a plugin declares can be reached, tried by the server on the way its workers have.

What a plugin was not granted is not contacted for it, and a name is looked up and judged as when a worker connects (see
:mod:`cadence.runtime.gateway`): a probe tells nobody more about the network than the plugin itself could find out.
"""

import os
import threading
import time
from collections.abc import Iterable

from msgspec import Struct

from cadence.runtime.destination import NotGranted, Refused, Unresolved
from cadence.runtime.gateway import Gateway
from cadence_sdk._runtime.endpoint import Endpoint, parse_endpoint

#: How many endpoints of one plugin are looked at.
MAX_ENDPOINTS = 8
_MAX_WORDS = 500


class ProbeResult(Struct, frozen=True):
    """What came of one endpoint.

    ``endpoint`` is as the plugin declares it. It was only tried where it is ``granted``; one that is and is not
    ``reachable`` is a service that fails. ``ms`` is how long it took to look it up and connect, 0 where it was not
    tried, and ``words`` say in a sentence what happened.
    """

    endpoint: str
    granted: bool
    reachable: bool
    ms: float
    words: str


def probe(
    gateway: Gateway, declared: Iterable[str], granted: tuple[Endpoint, ...], seconds: float
) -> dict[str, ProbeResult]:
    """Connect to each endpoint by TCP, all at once, send nothing and close.

    A look-up cannot be ended: its thread may outlive this for as long as the resolver takes.

    :param declared: ``PluginMetadata.network``; the first :data:`MAX_ENDPOINTS` of it are looked at.
    :param granted: what the plugin may connect to.
    :param seconds: how long all of it may take.
    :returns: the results by endpoint, in the order they are declared.
    """
    deadline = time.monotonic() + seconds
    attempts = [_Attempt(gateway, text, granted, seconds) for text in list(dict.fromkeys(declared))[:MAX_ENDPOINTS]]
    started = [attempt for attempt in attempts if attempt.start()]
    return {attempt.text: attempt.result(deadline) for attempt in started}


class _Attempt:
    """One endpoint, tried in a thread of its own."""

    def __init__(self, gateway: Gateway, text: str, granted: tuple[Endpoint, ...], seconds: float) -> None:
        self.text = text
        self._gateway = gateway
        self._granted = granted
        self._seconds = seconds
        self._began = time.monotonic()
        self._result: ProbeResult | None = None
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)

    def start(self) -> bool:
        """Begin; False when the host gives no thread."""
        try:
            self._thread.start()
        except RuntimeError:
            return False
        return True

    def result(self, deadline: float) -> ProbeResult:
        """What has come of it by then."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return self._result or self._unreachable(f"did not answer within {self._seconds:g} s")

    def _run(self) -> None:
        self._result = self._tried()

    def _tried(self) -> ProbeResult:
        try:
            endpoint = parse_endpoint(self.text)
        except ValueError as error:
            return self._not_granted(str(error))
        try:
            with self._gateway.connect(self._granted, endpoint, self._seconds):
                ms = self._ms()
                return ProbeResult(self.text, True, True, ms, f"{self.text} accepted a connection in {ms:g} ms.")
        except NotGranted:
            return self._not_granted("network access to it is not granted")
        except (Refused, Unresolved) as error:
            return self._unreachable(f"cannot be reached: {error}")
        except TimeoutError:
            return self._unreachable(f"did not answer within {self._seconds:g} s")
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            return self._unreachable(f"cannot be reached: {reason[:1].lower()}{reason[1:]}")

    def _not_granted(self, reason: str) -> ProbeResult:
        words = f"{self.text} was not tried: {reason}"
        return ProbeResult(self.text, granted=False, reachable=False, ms=0.0, words=_sentence(words))

    def _unreachable(self, words: str) -> ProbeResult:
        return ProbeResult(self.text, True, False, self._ms(), _sentence(f"{self.text} {words}"))

    def _ms(self) -> float:
        return round((time.monotonic() - self._began) * 1000, 3)


def _sentence(words: str) -> str:
    text = words if len(words) <= _MAX_WORDS else f"{words[:_MAX_WORDS]}…"
    return f"{text.rstrip('.')}."
