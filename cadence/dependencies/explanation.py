"""uv's words about a failure, condensed to a fault in plain sentences.

uv has no machine-readable form of them (as of 0.13), so they are recognised by its phrases. What is not recognised is
passed on shortened: a new phrase of uv costs clarity, nothing else.
"""

import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from cadence.dependencies.failure import fault
from cadence.dependencies.host import SDK
from cadence.model import Fault

_MAX_CHARACTERS = 600
_MAX_BUILD_CHARACTERS = 400
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
# A name and the versions asked of it, without the punctuation of the sentence behind it.
_WHAT = rf"{_NAME}(?:\[[^\]]*\])?(?:[<>=!~][^\s`]*?)?(?=[.,]?(?:\s|$))"
_NAMES = re.compile(_NAME)
_REQUIRED = re.compile(rf"you require ({_WHAT}(?: and (?!(?:you|all|only|there)\s|\S+ depends? ){_WHAT})*)")
_DEPENDS = re.compile(rf"(?P<who>{_NAME})(?:[<>=]=?\S+)? depends? on (?P<what>{_WHAT})")
_PIN = re.compile(rf"({_NAME})==([A-Za-z0-9.!+-]*[A-Za-z0-9])")
# What it derives on its way is no reason; the reasons stand before it.
_CONCLUSION = re.compile(r",? we can conclude that .*?\.(?=\s|$)")
_AVAILABLE = re.compile(rf"only ({_NAME})(?:<=|==)(\S+) is available")
_PLUGIN = "the plugin"
_MARKER = re.compile(r"\{[^}]*\}")
_NOISE = re.compile(r"\b(?:error|cause|hint|warning): ")
HERE = f"Python {sys.version_info.major}.{sys.version_info.minor} on {platform.system()} {platform.machine()}"


class _Failure(Struct, frozen=True):
    """uv's words on one line, the reasons among them, and what was known before."""

    words: str
    reasons: str
    culprits: Mapping[str, str]
    provided: Mapping[str, str]
    needs_of_sdk: Mapping[str, str]

    @property
    def culprit(self) -> str:
        """The first requirement of which the words speak, or all where none is named."""
        for words in (" ".join(_REQUIRED.findall(self.reasons)), self.words):
            named = {canonicalize_name(name) for name in _NAMES.findall(words)}
            for name, requirement in self.culprits.items():
                if name in named:
                    return requirement
        return ", ".join(dict.fromkeys(self.culprits.values()))

    def needs(self, name: str) -> list[str]:
        """``beta needs pydantic<2``, for every dependency on a package that the words tell of."""
        pinned = f"{name}=={self.provided.get(name)}"
        found = [(who, what) for who, what in self.pairs if _package(what) == name and what != pinned]
        # Of a package in many versions, each with needs of its own, the last to be told of stands for all.
        latest = {who: what for who, what in found if who != _PLUGIN}
        return list(dict.fromkeys(f"{who} needs {latest.get(who, what)}" for who, what in found))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Who needs what, as the reasons have it."""
        pairs = [(one["who"], one["what"]) for one in _DEPENDS.finditer(self.reasons)]
        required = [one for listed in _REQUIRED.findall(self.reasons) for one in listed.split(" and ")]
        return pairs + [pair for one in required for pair in self._required(one)]

    def _required(self, what: str) -> Iterator[tuple[str, str]]:
        """Who of those whose requirements uv was given: to uv they are all one."""
        name = _package(what)
        if name not in self.needs_of_sdk:
            yield _PLUGIN, what
            return
        if name in self.culprits:
            yield _PLUGIN, _without_marker(self.culprits[name])
        yield SDK, self.needs_of_sdk[name]


def explain(
    words: str, culprits: Mapping[str, str], provided: Mapping[str, str], needs_of_sdk: Mapping[str, str] | None = None
) -> Fault:
    """Say what went wrong.

    :param words: what uv said, without addresses.
    :param culprits: canonical name of a package to the requirement of the plugin that it stands for, in their order.
    :param provided: canonical name to version of what the host provides.
    :param needs_of_sdk: canonical name to requirement of what the SDK needs, where that was asked for too.
    """
    words = re.sub(r"\brequires Python (?=[<>=!~])", "depends on Python", _MARKER.sub("", " ".join(words.split())))
    failure = _Failure(words, _CONCLUSION.sub(".", words), culprits, provided, needs_of_sdk or {})
    for code, pattern, sentence in _RULES:
        match = re.search(pattern, failure.words)
        if match is not None and (message := sentence(failure, match)) is not None:
            return fault(code, _short(message), failure.culprit)
    return fault("unresolvable", _short(_NOISE.sub("", failure.words)), failure.culprit)


def _package(requirement: str) -> str:
    match = _NAMES.match(requirement)
    return canonicalize_name(match[0]) if match else ""


def _in_words(pin: str) -> str:
    """``alpha==1.0`` as ``alpha 1.0``."""
    return pin.replace("==", " ")


def _without_marker(requirement: str) -> str:
    """``Alpha[more]<2 ; marker`` as uv puts it: ``alpha<2``."""
    try:
        parsed = Requirement(requirement)
    except InvalidRequirement:
        return requirement
    return f"{canonicalize_name(parsed.name)}{parsed.specifier}"


def _short(message: str) -> str:
    if not message:
        return "uv gave no reason."
    message = re.sub("^the ", "The ", message)  # the name of a package stays as it is
    return message if len(message) <= _MAX_CHARACTERS else f"{message[:_MAX_CHARACTERS].rstrip()} …"


def _refused(_: _Failure, match: re.Match[str]) -> str:
    return f"The package index refuses to answer this server ({match[1]}); its operator has to check the access."


def _failing(_: _Failure, match: re.Match[str]) -> str:
    return f"The package index answers with an error ({match[1]}); try again later."


def _distrusted(*_: object) -> str:
    return "The package index cannot be reached securely: this server does not trust its certificate, or it has none."


def _broken_off(_: _Failure, match: re.Match[str]) -> str:
    return f"The package index broke off while it sent {_in_words(match[1])}; try again later."


def _silent(failure: _Failure, _: re.Match[str]) -> str:
    known = {"Connection refused": "connection refused", "dns error": "its name is not known", "timed out": "timed out"}
    reason = next((f" ({words})" for phrase, words in known.items() if phrase in failure.words), "")
    return f"The package index does not answer{reason}; try again later."


def _build(failure: _Failure, match: re.Match[str]) -> str:
    said = _NOISE.sub("", failure.words[match.end() :]).strip()
    # The end of what a build says is what it failed on.
    said = said if len(said) <= _MAX_BUILD_CHARACTERS else f"… {said[-_MAX_BUILD_CHARACTERS:]}"
    return f"{_in_words(match[1])} has no wheel for {HERE}, and building it from source failed: {said}"


def _offline(*_: object) -> str:
    return "This server may not use the network, and the package is not among those it has."


def _unknown(failure: _Failure, match: re.Match[str]) -> str:
    return f"There is no package named {match[1]} in the package index{_because(failure, match[1])}."


def _hash(_: _Failure, match: re.Match[str]) -> str:
    return f"The file of {_in_words(match[1])} is not the one that was resolved: its hash differs."


def _broken(_: _Failure, match: re.Match[str]) -> str:
    return f"The wheel of {_in_words(match[1] or match[2])} is damaged and cannot be unpacked."


def _conflict_with_host(failure: _Failure, _: re.Match[str]) -> str | None:
    for name, version in _PIN.findall(failure.words):
        is_host = failure.provided.get(canonicalize_name(name)) == version
        if is_host and (needs := failure.needs(canonicalize_name(name))):
            return f"{', '.join(needs)}, this server provides {name} {version} to every plugin."
    return None


def _python(failure: _Failure, _: re.Match[str]) -> str:
    return f"{', '.join(failure.needs('python'))}, this server runs {HERE}."


def _no_wheel(failure: _Failure, match: re.Match[str]) -> str:
    return f"{_in_words(match[1])} has no wheel for {HERE}{_because(failure, match[1])}."


def _source(failure: _Failure, match: re.Match[str]) -> str:
    return (
        f"{_in_words(match[1])} only has a source distribution for {HERE}, no wheel{_because(failure, match[1])}; "
        "building it would run its code on the server. Its operator can allow that, in the sandbox, by "
        "CADENCE_ALLOW_SDIST=true."
    )


def _no_version(failure: _Failure, match: re.Match[str]) -> str:
    name = canonicalize_name(match[1])
    needs = " and ".join(failure.needs(name)) or f"the plugin needs another version of {name}"
    return f"{needs}, and there is no such version in the package index."


def _too_new(failure: _Failure, _: re.Match[str]) -> str | None:
    """Some need is not met by all that is available of a package."""
    for name, newest in _AVAILABLE.findall(failure.reasons):
        for who, what in failure.pairs:
            if _package(what) == canonicalize_name(name) and not _meets(newest, what):
                return f"{who} needs {what}, and there is no such version in the package index; the newest is {newest}."
    return None


def _meets(version: str, requirement: str) -> bool:
    try:
        return Requirement(requirement).specifier.contains(version, prereleases=True)
    except (InvalidRequirement, InvalidVersion):
        return True  # not told to be otherwise


def _conflict(failure: _Failure, _: re.Match[str]) -> str | None:
    """Several that need different versions of one."""
    for name in dict.fromkeys(_package(what) for _, what in failure.pairs):
        if len(needs := failure.needs(name)) > 1:
            return f"{', '.join(needs)}; no version of {name} fits them all."
    return None


def _because(failure: _Failure, requirement: str) -> str:
    """Who needs it, where it is not the plugin itself."""
    name = _package(requirement)
    needs = [] if name in failure.culprits else failure.needs(name)
    return f" ({needs[0]})" if needs else ""


# The first that fits counts, so what explains more comes first.
_RULES: tuple[tuple[str, str, Callable[[_Failure, re.Match[str]], str | None]], ...] = (
    ("index_refused", r"\b(40[137] [A-Z][a-z]+)", _refused),
    ("index_unreachable", r"network was disabled|[Nn]etwork connectivity is disabled", _offline),
    ("build_failed", r"Failed to (?:download and )?build[^`]*`([^`]+)`", _build),
    (
        "index_unreachable",
        r"Failed to download `([^`]+)`.*(?:error reading a body|error decoding response)",
        _broken_off,
    ),
    ("index_unreachable", r"HTTP status (?:server|client) error \((\d{3}[^)]*)\)", _failing),
    ("index_unreachable", r"invalid peer certificate|corrupt message|[Cc]ertificate verif", _distrusted),
    ("index_unreachable", r"Failed to fetch|error sending request|Request failed after|operation timed out", _silent),
    ("hash_mismatch", r"Hash mismatch for `([^`]+)`", _hash),
    (
        "broken_wheel",
        r"Failed to (?:download|read|unpack|install)[^`]*`([^`]+)`|Failed to install: (?:\S+ \()?([^\s)]+)",
        _broken,
    ),
    ("unknown_package", rf"({_NAME}) was not found in the", _unknown),
    ("conflicts_with_host", r"", _conflict_with_host),
    ("wrong_python", r"depends? on Python[<>=!~]", _python),
    ("no_wheel", r"(\S+) has no wheels? with a matching", _no_wheel),
    ("only_source", r"(\S+) ha(?:s|ve) no (?:usable )?wheels?\b", _source),
    ("no_version", rf"there is no version of ({_NAME})", _no_version),
    ("no_version", r"", _too_new),
    ("conflict", r"", _conflict),
    ("no_version", rf"only the following versions of ({_NAME}) are available", _no_version),
)
