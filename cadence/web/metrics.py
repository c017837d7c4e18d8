"""``GET /metrics`` for Prometheus: how often plugins are called, how that goes, and what they take."""

import threading
from typing import TYPE_CHECKING

from flask import Flask, Response, request

from cadence.parts import Parts
from cadence.storage.database import utc_now

if TYPE_CHECKING:
    from cadence.runtime.live_set import LiveSet
    from cadence.web.exposition import Exposition


def register(app: Flask, parts: Parts) -> None:
    """Have the application answer ``GET /metrics``. Counts that the index keeps begin now."""
    app.add_url_rule("/metrics", "metrics", Metrics(parts).answer)


class Metrics:
    """Answers requests for the metrics of one process.

    :param parts: looked at only: a scrape starts no runtime where none runs.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._since = utc_now()
        self._making = threading.Lock()
        self._made: Exposition | None = None

    def answer(self) -> Response:
        """The metrics, in the format that the request asks for."""
        body, media_type = self._exposition().render(request.headers.get("Accept", ""))
        return Response(body, content_type=media_type, headers={"Cache-Control": "no-store"})

    def _exposition(self) -> "Exposition":
        from cadence.web.exposition import Exposition

        with self._making:
            if self._made is None:
                parts = self._parts
                most = parts.settings.metrics_max_plugins
                self._made = Exposition(self._live_set, parts.index, self._since, most, parts.version)
        return self._made

    def _live_set(self) -> "LiveSet | None":
        running = self._parts.running
        return running.live_set if running else None
