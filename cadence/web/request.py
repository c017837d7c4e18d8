"""The request: its uploaded files go straight to where they can be renamed into the archive, hashed on the way."""

from typing import IO

from htmx_flask.requests import HtmxAwareRequest

from cadence.web.incoming import incoming_uploads
from cadence.web.services import parts

#: The header by which a browser names its upload, to know it again among those that come in.
UPLOAD_KEY = "X-Upload-Key"


class Request(HtmxAwareRequest):  # type: ignore[misc]  # htmx_flask has no type hints
    """A request that parses each uploaded file into an :class:`~cadence.intake.upload.UploadFile`.

    What no view has taken over by the request's end, such as half a file of a connection that broke, goes with it.
    """

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        file = parts().serving.receive()
        self.__dict__.setdefault("_received", []).append(file)
        key = self.headers.get(UPLOAD_KEY, "")
        incoming_uploads().begin(file, filename or "", total_content_length, key)
        return file

    def close(self) -> None:
        """Called by Flask when the request is over."""
        for file in self.__dict__.get("_received", ()):
            incoming_uploads().end(file)
            file.discard()
        super().close()
