"""The worker: loads one plugin, says what it found, then answers requests until it is told to stop."""

import logging
import os
import socket
import sys
import time
from pathlib import Path

from cadence_sdk._runtime import wire
from cadence_sdk._runtime.example_trial import try_examples
from cadence_sdk._runtime.exhaustion import end_out_of
from cadence_sdk._runtime.loader import LoadedPlugin, LoadFailed, load
from cadence_sdk._runtime.report import Fault
from cadence_sdk._runtime.serving import Server

#: Begins every line of a record but the first: as ``CONTINUES`` in :mod:`cadence.runtime.log_lines`.
_FURTHER = "\x1f"


def run(spec: wire.WorkerSpec, channel: socket.socket) -> None:
    """Load the plugin and serve it; returns when the server said stop or went away."""
    began = time.monotonic()
    _log_to_standard_error()
    try:
        plugin = load(Path(spec.package), spec.name, spec.version, trial=spec.trial, limits=spec.limits)
        if not try_examples(plugin, spec, began, channel):
            return
    except LoadFailed as failure:
        channel.sendall(wire.frame(wire.Loaded(faults=failure.faults, requests=failure.requests)))
        return
    except (MemoryError, RuntimeError) as error:  # not of the plugin's code, which is a fault, but of ours around it
        end_out_of(error, spec.limits)
    channel.sendall(_loaded(plugin, spec))
    Server(plugin, Path(spec.package), channel, spec.max_message_bytes, spec.limits, full=spec.full).serve()
    plugin.close()
    os._exit(0)


def configure_logging() -> None:
    """Have log records written to standard error, whatever that is at the time.

    Called in the zygote: it goes through every logger there is, and in a worker it would have all of them copied.
    """
    handler = _StandardError()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class _StandardError(logging.Handler):
    """Writes each record to today's ``sys.stderr``, in one piece, such that its lines can be told from others."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write it."""
        try:
            words = self.format(record).replace("\n", f"\n{_FURTHER}")
            sys.stderr.write(f"{words}\n")
        except Exception:  # noqa: BLE001  (as in logging's own handlers: a record that cannot be written is said, not raised)
            self.handleError(record)


def _log_to_standard_error() -> None:
    """Make standard output and error new text files over their pipes, which write each line at once.

    Those inherited from the zygote remember whether *its* output could seek.
    """
    sys.stdout = sys.__stdout__ = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # type: ignore[misc]  # noqa: SIM115


def _loaded(plugin: LoadedPlugin, spec: wire.WorkerSpec) -> bytes:
    message = wire.frame(wire.Loaded(report=plugin.report))
    if len(message) <= spec.max_message_bytes:
        return message
    words = f"The plugin describes itself in {len(message)} bytes; at most {spec.max_message_bytes} are allowed."
    return wire.frame(wire.Loaded(faults=(Fault("trial", "report_too_large", words),)))
