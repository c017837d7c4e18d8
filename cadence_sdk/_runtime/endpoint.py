"""Where a plugin may connect to: ``host:port``."""

from msgspec import Struct


class Endpoint(Struct, frozen=True):
    """One endpoint. With ``private`` its name may resolve to an address that is not public."""

    host: str
    port: int
    private: bool = False
