"""The key that signs sessions and CSRF tokens: made once per instance, readable by its owner only."""

import contextlib
import os
import secrets
from pathlib import Path
from tempfile import NamedTemporaryFile

_KEY_BYTES = 32


def secret_key(instance: Path) -> bytes:
    """The instance's key; made where there is none yet, by whichever process is first."""
    path = instance / "secret_key"
    if not path.exists():
        instance.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=instance, prefix="secret_key-") as draft:  # made with mode 0600
            draft.write(secrets.token_bytes(_KEY_BYTES))
            draft.flush()
            # Fails where another process was first: a key is never replaced.
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_bytes()
