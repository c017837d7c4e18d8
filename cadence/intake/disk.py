"""What a full disk looks like, told apart from every other failure to write."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from cadence.errors import StorageFull

# EFBIG is what a file-size limit of the service manager or the file system says.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def full_disk_refused(doing: str) -> Iterator[None]:
    """Turn a write that found no room into a typed refusal; other errors pass unchanged.

    :param doing: what could not be done, for the sentence: ``"unpack the archive"``.
    :raises StorageFull: when the disk, the quota or the file-size limit is exhausted.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise StorageFull(f"There is no room on the disk to {doing}; free some space and try again") from error
