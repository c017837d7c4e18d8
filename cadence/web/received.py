"""The files of an upload request."""

from flask import Request

from cadence.errors import InvalidRequest, NoFileProvided
from cadence.intake.upload import UploadFile
from cadence.model import Upload

FIELD = "file"


def uploads_of(request: Request, most: int | None = None) -> list[Upload]:
    """Every file of the request's ``file`` field, received whole and the caller's to remove.

    :param most: how many there may be.
    :raises NoFileProvided: when none was chosen.
    :raises InvalidRequest: when there are more.
    :raises UploadTooLarge: from the request class, while one comes in.
    """
    chosen = [storage for storage in request.files.getlist(FIELD) if storage.filename]
    if not chosen:
        raise NoFileProvided("Send the plugin's archive in the form field 'file', named like math_plugin-1.0.0.zip.")
    if most is not None and len(chosen) > most:
        raise InvalidRequest(f"The field 'file' has {len(chosen)} archives; send at most {most} a request.")
    uploads = []
    for storage in chosen:
        # The request class parses every file into this type.
        assert isinstance(storage.stream, UploadFile)
        uploads.append(storage.stream.finish(str(storage.filename)))
    return uploads
