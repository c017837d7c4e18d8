"""The request: its uploaded files go straight to where they can be renamed into the archive, hashed on the way."""

from typing import IO

from htmx_flask.requests import HtmxAwareRequest

from cadence.web.services import parts


class Request(HtmxAwareRequest):  # type: ignore[misc]  # htmx_flask has no type hints
    """A request that parses each uploaded file into an :class:`~cadence.intake.upload.UploadFile`."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        return parts().running.receive()
