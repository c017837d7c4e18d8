"""What one worker writes: the pipes of its standard output and error, and the last line that came through them."""

import os
import time

from cadence.model import PluginRef
from cadence.runtime.log_lines import Stream
from cadence.runtime.logs import Logs

#: How long to wait for the end of an ended worker's output, in seconds.
_LAST_WORDS_SECONDS = 1.0
_STREAMS = (Stream.STDOUT, Stream.STDERR)


class Output:
    """Two pipes that are read from the start.

    :ivar stdout: the descriptor that the worker writes to, until :meth:`hand_over`.
    :ivar stderr: likewise.
    """

    def __init__(self, logs: Logs, ref: PluginRef) -> None:
        self._logs = logs
        self._ref = ref
        (read_out, self.stdout), (read_error, self.stderr) = (os.pipe2(os.O_CLOEXEC) for _ in _STREAMS)
        self._drained = [
            logs.attach(ref.name, ref.version, read, stream)
            for read, stream in zip((read_out, read_error), _STREAMS, strict=True)
        ]

    def hand_over(self) -> None:
        """Leave the ends that are written to, to those who have them by now: they are closed here."""
        os.close(self.stdout)
        os.close(self.stderr)

    def last_words(self) -> str | None:
        """Wait until all that the worker wrote is read, and give its last line, if any."""
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        for drained in self._drained:
            drained.wait(deadline - time.monotonic())
        lines = self._logs.tail(self._ref.name, 1, self._ref.version, _STREAMS)
        return lines[-1].text if lines else None
