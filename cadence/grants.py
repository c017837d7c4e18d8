"""Grants on their way in and out: a JSON object becomes validated grants or every fault; grants become data to show.

Environment values are secrets. They come in and are never shown again: what is shown has ``null`` in the place of each,
and ``null`` that comes in keeps the value that is there, so that what was shown can be sent back.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from cadence.errors import InvalidGrants
from cadence.intake.faults import printable
from cadence.model import Endpoint, Fault, Grants, Limits, Requests, Stage
from cadence_sdk._runtime.endpoint import parse_endpoint

#: The JSON of grants may have so many bytes.
MAX_REQUEST_BYTES = 256 * 1024
MAX_ENDPOINTS = 64
MAX_ENDPOINT_CHARACTERS = 300
MAX_ENV_NAMES = 128
MAX_ENV_NAME_CHARACTERS = 128
#: All names and values of one environment together.
MAX_ENV_BYTES = 64 * 1024

MAX_MEMORY_MB = 1024 * 1024
MAX_CALL_SECONDS = 3600
MAX_CPU_PERCENT = 25_600
MAX_PROCESSES = 1024
MAX_THREADS = 4096
MAX_OPEN_FILES = 65_536
MAX_DATA_MB = 1024 * 1024

#: So many faults are told one by one.
MAX_FAULTS = 50

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED_NAMES = frozenset({"PATH", "HOME", "TMPDIR", "LANG"})
_RESERVED_PREFIXES = ("LD_", "PYTHON", "CADENCE_")
#: Of what a plugin asks for, so many endpoints are looked at, since no more can be granted,
#: and so many are told one by one; the rest is in its metadata.
_MAX_ASKED, _MAX_TOLD = MAX_ENDPOINTS, 8


class _Amount(Struct, frozen=True):
    """The bounds of a number, and what it counts. A ``whole`` one has no fraction."""

    least: float
    most: float
    counts: str
    whole: bool = True

    def is_right(self, value: object) -> bool:
        kinds = (int,) if self.whole else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and self.least <= value <= self.most

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of such a number, or null."""
        kind = "integer" if self.whole else "number"
        return {"type": [kind, "null"], "minimum": self.least, "maximum": self.most, "description": self.counts}

    def __str__(self) -> str:
        return f"a {'whole ' if self.whole else ''}number of {self.counts} between {self.least:.12g} and {self.most}"


# The least values are those of the server's own settings: below them no worker would start.
_AMOUNTS: Mapping[str, _Amount] = {
    "memory_mb": _Amount(16, MAX_MEMORY_MB, "MiB"),
    "call_seconds": _Amount(0.1, MAX_CALL_SECONDS, "seconds", whole=False),
    "cpu_percent": _Amount(1, MAX_CPU_PERCENT, "percent of one processor"),
    "processes": _Amount(0, MAX_PROCESSES, "processes"),
    "threads": _Amount(8, MAX_THREADS, "threads"),
    "open_files": _Amount(32, MAX_OPEN_FILES, "open files"),
    "data_mb": _Amount(1, MAX_DATA_MB, "MiB"),
}
AMOUNTS = tuple(_AMOUNTS)
FIELDS = ("network", *AMOUNTS, "env")


def parse_grants(raw: Mapping[str, object], present: Grants) -> Grants:
    """Read grants as the API takes them.

    :param raw: ``network``, a list of ``host:port``; the amounts, each a number or null for the server's default;
        ``env``, an object of strings by name, where null keeps the present value. What is left out is not granted.
    :param present: the grants whose place these will take.
    :raises InvalidGrants: with every fault, a sentence each, that names the field.
    """
    known = ", ".join(FIELDS)
    faults = [f"{_shown(key)} is not a grant; there are {known}." for key in raw if key not in FIELDS]
    network = tuple(_network(raw.get("network"), faults))
    amounts = {name: _amount(name, raw.get(name), faults) for name in AMOUNTS}
    env = _env(raw.get("env"), present.env, faults)
    if len(faults) > MAX_FAULTS:
        faults[MAX_FAULTS:] = [f"There are {len(faults) - MAX_FAULTS} more faults."]
    if faults:
        raise InvalidGrants(*faults)
    return Grants(network=network, env=env, **amounts)


def plain_grants(grants: Grants) -> dict[str, Any]:
    """Grants as they may be shown and sent back: what :func:`parse_grants` takes, without the values of ``env``."""
    return structs.asdict(grants) | {
        "network": [str(endpoint) for endpoint in grants.network],
        "env": dict.fromkeys(sorted(grants.env)),
    }


class GrantChange(Struct, frozen=True):
    """What is to be different in a plugin's grants; the rest stays.

    ``network`` comes to what is there, or takes its place with ``no_network``. ``amounts`` are by name, None for the
    server's default. ``env`` are values by name, ``unset_env`` names to remove. With ``reset`` nothing stays.
    """

    network: tuple[str, ...] = ()
    no_network: bool = False
    amounts: dict[str, int | float | str | None] = {}
    env: dict[str, str | None] = {}
    unset_env: tuple[str, ...] = ()
    reset: bool = False

    def applied_to(self, present: Grants) -> dict[str, Any]:
        """The changed grants, as :func:`parse_grants` takes them.

        :raises InvalidGrants: when a value is to be removed that is not set.
        """
        if unknown := [name for name in self.unset_env if name not in present.env]:
            raise InvalidGrants(*(f"env: {_shown(name)} is not set." for name in unknown))
        raw = plain_grants(Grants() if self.reset else present)
        network = self.network if self.no_network else (*raw["network"], *self.network)
        env = {name: value for name, value in raw["env"].items() if name not in self.unset_env}
        return raw | self.amounts | {"network": network, "env": env | self.env}


def request_schema() -> dict[str, Any]:
    """The JSON Schema of what :func:`parse_grants` takes."""
    network = {
        "type": "array",
        "items": {"type": "string", "example": "api.example.com:443"},
        "maxItems": MAX_ENDPOINTS,
    }
    env = {
        "type": "object",
        "additionalProperties": {"type": ["string", "null"]},
        "maxProperties": MAX_ENV_NAMES,
    }
    amounts = {name: amount.schema() for name, amount in _AMOUNTS.items()}
    return {
        "type": "object",
        "properties": {"network": network, **amounts, "env": env},
        "additionalProperties": False,
    }


def unmet_requests(name: str, requests: Requests, grants: Grants, limits: Limits) -> tuple[str, ...]:
    """What the plugin ``name`` asks for and was not granted, a sentence each, with the command that grants it."""
    return tuple(
        f"{unmet.words}; grant it with: {unmet.command}" if unmet.command else f"{unmet.words}."
        for unmet in _unmet(name, requests, grants, limits)
    )


def unmet_faults(
    name: str, requests: Requests, grants: Grants, limits: Limits, then: str = "upload again"
) -> tuple[Fault, ...]:
    """The same as faults of a trial that failed, perhaps for want of it.

    :param then: what is to be done once it is granted.
    """
    return tuple(
        Fault(
            Stage.TRIAL,
            "not_granted",
            f"{unmet.words}. Grant it first: {unmet.command}, then {then}." if unmet.command else f"{unmet.words}.",
            unmet.culprit,
        )
        for unmet in _unmet(name, requests, grants, limits)
    )


class _Unmet(Struct, frozen=True):
    """Something that was asked for and is not granted: in words, and the command that grants it where it can be."""

    words: str
    command: str | None = None
    culprit: str | None = None


def _unmet(name: str, requests: Requests, grants: Grants, limits: Limits) -> Iterator[_Unmet]:
    asked = tuple(dict.fromkeys(requests.network))
    found = [unmet for text in asked[:_MAX_ASKED] if (unmet := _unmet_endpoint(name, text, grants))]
    yield from found[:_MAX_TOLD]
    if more := len(found[_MAX_TOLD:]) + len(asked[_MAX_ASKED:]):
        yield _Unmet(f"It asks for network access to {more} more endpoints")
    if requests.memory_mb is not None and requests.memory_mb > limits.memory_mb:
        yield _unmet_memory(name, requests.memory_mb, limits)


def _unmet_endpoint(name: str, text: str, grants: Grants) -> _Unmet | None:
    # The text comes from the plugin: only what was read as an endpoint becomes part of a command to copy.
    try:
        endpoint = parse_endpoint(text)
    except ValueError:
        return _Unmet(f"It asks for network access to {_shown(text)}, which is not host:port")
    if grants.permits(endpoint):
        return None
    words = f"It asks for network access to {endpoint}"
    return _Unmet(words, f"flask plugins grant {name} --network {endpoint}", str(endpoint))


def _unmet_memory(name: str, memory_mb: int, limits: Limits) -> _Unmet:
    if memory_mb > MAX_MEMORY_MB:
        return _Unmet(f"It asks for {_shown(memory_mb)} MiB of memory; at most {MAX_MEMORY_MB} can be granted")
    words = f"It asks for {memory_mb} MiB of memory and has {limits.memory_mb}"
    return _Unmet(words, f"flask plugins grant {name} --memory-mb {memory_mb}")


def _network(value: object, faults: list[str]) -> Iterable[Endpoint]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        faults.append('network must be a list of endpoints, such as ["api.example.com:443"].')
        return ()
    if len(value) > MAX_ENDPOINTS:
        faults.append(f"network has {len(value)} endpoints; at most {MAX_ENDPOINTS} can be granted.")
        return ()
    return dict.fromkeys(endpoint for item in value if (endpoint := _endpoint(item, faults)))


def _endpoint(item: object, faults: list[str]) -> Endpoint | None:
    if not isinstance(item, str):
        faults.append(f"network must be a list of strings; {_shown(item)} is none.")
        return None
    if len(item) > MAX_ENDPOINT_CHARACTERS:
        faults.append(f"network: {_shown(item)} has more than {MAX_ENDPOINT_CHARACTERS} characters.")
        return None
    try:
        return parse_endpoint(item)
    except ValueError as error:
        faults.append(f"network: {error}")
        return None


def _amount(name: str, value: object, faults: list[str]) -> Any:
    amount = _AMOUNTS[name]
    if value is None or amount.is_right(value):
        return value
    faults.append(f"{name} must be {amount}, or null for the server's default, not {_shown(value)}.")
    return None


def _env(value: object, present: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        faults.append("env must be an object: the values by their names.")
        return {}
    if len(value) > MAX_ENV_NAMES:
        faults.append(f"env has {len(value)} names; at most {MAX_ENV_NAMES} can be set.")
        return {}
    found = list(_name_faults(value)) + list(_value_faults(value, present))
    faults += found
    env = {} if found else {name: present[name] if text is None else text for name, text in value.items()}
    size = sum(len(name.encode()) + len(text.encode()) for name, text in env.items())
    if size > MAX_ENV_BYTES:
        faults.append(f"env has {size} bytes of names and values; at most {MAX_ENV_BYTES} can be set.")
    return env


def _name_faults(env: Mapping[object, object]) -> Iterator[str]:
    for name in env:
        if not isinstance(name, str) or not _ENV_NAME.fullmatch(name):
            yield f"env: {_shown(name)} is not a name: letters, digits and _ are, not beginning with a digit."
        elif len(name) > MAX_ENV_NAME_CHARACTERS:
            yield f"env: the name {_shown(name)} has more than {MAX_ENV_NAME_CHARACTERS} characters."
        elif name in _RESERVED_NAMES or name.startswith(_RESERVED_PREFIXES):
            yield f"env: {name} is set by Cadence itself or changes how programs start; choose another name."


def _value_faults(env: Mapping[object, object], present: Mapping[str, str]) -> Iterator[str]:
    # None of these repeats a value: it may be a secret, though one that was mistyped.
    for name, value in env.items():
        if value is None and name not in present:
            yield f"env: {_shown(name)} has no value that could be kept: null stands for the one that is set."
        elif value is not None and not isinstance(value, str):
            yield f"env: the value of {_shown(name)} must be a string, or null to keep the one that is set."
        elif isinstance(value, str) and not _is_storable(value):
            yield f"env: the value of {_shown(name)} holds what no environment can: NUL, or half a character."


def _is_storable(value: str) -> bool:
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _shown(value: object) -> str:
    """What somebody sent, as it can stand in a sentence."""
    return printable(repr(value))
