"""The request: its uploaded files go straight to where they can be renamed into the archive, hashed on the way."""

from typing import IO

from cadence.web.htmx import HtmxAwareRequest
from cadence.web.services import parts


class Request(HtmxAwareRequest):
    """A request that parses each uploaded file into an :class:`~cadence.intake.upload.UploadFile`."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        return parts().running.receive()
