"""The file name of an archive gives the plugin its identity: ``{name}-{version}.zip``."""

import keyword
import re
import sys

from packaging.version import Version

from cadence.errors import InvalidFilename, InvalidRequest
from cadence.intake.faults import printable
from cadence.model import PluginRef

FORM = "{name}-{version}.zip, for example math_plugin-1.0.0.zip"
MAX_FILENAME_CHARS = 255
MAX_NAME_CHARS = 100
MAX_VERSION_CHARS = 64

# A worker imports the plugin under its plain name. One of these names would hide a package that the worker itself,
# the SDK or the interpreter's start-up imports, or be hidden by it.
RUNTIME_NAMES = frozenset(
    {
        "annotated_types", "anyio", "cadence", "cadence_sdk", "certifi", "charset_normalizer", "distro", "httpx",
        "idna", "jsonpatch", "jsonpointer", "langchain", "langchain_core", "langgraph", "langsmith", "msgspec",
        "orjson", "packaging", "psutil", "pydantic", "pydantic_core", "requests", "requests_toolbelt",
        "sitecustomize", "sniffio", "tenacity", "typing_extensions", "typing_inspection", "urllib3",
        "usercustomize", "uuid_utils", "xxhash", "yaml", "zstandard",
    }
)  # fmt: skip

# What the API's addresses mean by these words is no plugin (``/plugins/upload``).
RESERVED_NAMES = frozenset({"deleted", "list", "reload", "upload", "uploaded", "validate"})

_SUFFIX = re.compile(r"\.zip", re.IGNORECASE | re.ASCII)
_BROWSER_COUNTER = re.compile(r" ?\([0-9]{1,4}\)$")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
# What PEP 440 can spell, without the epoch's "!" and without the white space around it that ``packaging`` ignores.
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def parse_filename(text: str) -> PluginRef:
    r"""Read name and version out of the file name a client sent.

    Folders before the name (``/`` or ``\``) and a browser's `` (1)`` before ``.zip`` are dropped. The split is at
    the leftmost hyphen whose remainder is a version (PEP 440, as ``packaging.version`` reads it). The version is
    kept as written; one with an epoch (``1!2.0``) is refused, one with a local part (``1.0+linux``) taken.

    :raises InvalidFilename: in one sentence that says the form expected and what is wrong.
    """
    filename = text.replace("\\", "/").rpartition("/")[2]
    try:
        return _parse(filename)
    except ValueError as error:
        shown = repr(filename if len(filename) <= MAX_FILENAME_CHARS else f"{filename[:MAX_FILENAME_CHARS]}…")
        raise InvalidFilename(f"The file must be named {FORM}; {shown} {error}") from None


def require_name(text: str) -> None:
    """Refuse what cannot be the name of a plugin, because no archive could be named for it.

    :raises InvalidRequest: in one sentence that says why.
    """
    try:
        _check_name(text)
    except ValueError as error:
        words = f"{printable(repr(text))} cannot be the name of a plugin: {error}."
        raise InvalidRequest(words, message="Invalid plugin name") from None


def _parse(filename: str) -> PluginRef:
    if len(filename) > MAX_FILENAME_CHARS:
        raise ValueError(f"is longer than {MAX_FILENAME_CHARS} characters")
    stem, suffix = filename[:-4], filename[-4:]
    if not _SUFFIX.fullmatch(suffix):
        raise ValueError("does not end in .zip")
    name, version = _split(_BROWSER_COUNTER.sub("", stem))
    try:
        _check_name(name)
    except ValueError as error:
        raise ValueError(f"has a name that no plugin can have: {error}") from None
    _check_version(version)
    return PluginRef(name, version)


def _split(stem: str) -> tuple[str, str]:
    for hyphen in (match.start() for match in re.finditer("-", stem)):
        if is_version(stem[hyphen + 1 :]):
            return stem[:hyphen], stem[hyphen + 1 :]
    raise ValueError("has no hyphen that is followed by a version")


def is_version(text: str) -> bool:
    """Whether PEP 440 knows ``text`` as a version."""
    try:
        Version(text)
    except ValueError:  # InvalidVersion, and numbers of more digits than Python converts
        return False
    return True


def _check_name(name: str) -> None:
    module = name.replace("-", "_")
    if not _NAME.fullmatch(name):
        raise ValueError("a name starts with a letter and has only letters, digits, '_' and '-' (ASCII)")
    if len(name) > MAX_NAME_CHARS:
        raise ValueError(f"a name has at most {MAX_NAME_CHARS} characters")
    if keyword.iskeyword(module):
        raise ValueError(f"{module!r} is a keyword of Python and cannot be imported")
    if module in sys.stdlib_module_names:
        raise ValueError(f"{module!r} is taken by Python's standard library")
    if name in RESERVED_NAMES:
        raise ValueError(f"{name!r} means something else in the server's addresses")
    if module in RUNTIME_NAMES:
        raise ValueError(f"{module!r} is taken by a package that runs the plugins")


def _check_version(version: str) -> None:
    if "!" in version:
        raise ValueError("has a version with an epoch ('!'), which cannot be taken; leave the epoch out")
    if not _VERSION.fullmatch(version):
        raise ValueError("has a version with other characters than letters, digits, '.', '_', '+' and '-' (ASCII)")
    if len(version) > MAX_VERSION_CHARS:
        raise ValueError(f"has a version of more than {MAX_VERSION_CHARS} characters")
