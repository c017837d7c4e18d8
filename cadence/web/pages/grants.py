"""Grants between the page and the API's validation: from fields to its JSON, and its sentences back to the fields."""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, structs

from cadence.errors import InvalidGrants
from cadence.grants import AMOUNTS, FIELDS
from cadence.web.pages.limits import LIMITS
from cadence.web.present import GrantsShown, GrantsView
from cadence_sdk._runtime.endpoint import parse_endpoint

Errors = Mapping[str, Sequence[str]]
"""Sentences by field; those of the key ``""`` are about the whole."""

_LABELS = {words.name: words.label for words in LIMITS} | {"network": "The network", "env": "The environment"}
_FIELD = re.compile(r"(\w+)(: )?")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


class Unmet(Struct, frozen=True):
    """What a plugin asks for and does not have: endpoints as they would be granted, and memory in MiB."""

    network: tuple[str, ...] = ()
    memory_mb: int | None = None

    def __bool__(self) -> bool:
        return bool(self.network) or self.memory_mb is not None

    @property
    def words(self) -> tuple[str, ...]:
        """Each of it, for a person."""
        memory = (f"{self.memory_mb:,} MiB of memory",) if self.memory_mb is not None else ()
        return (*(f"network access to {endpoint}" for endpoint in self.network), *memory)


class EnvField(Struct, frozen=True):
    """What was typed about one value of the environment that is set."""

    replacement: str = ""
    remove: bool = False


def unmet(view: GrantsView) -> Unmet:
    """What could be granted of what a plugin asks for. What it names that is no endpoint cannot."""
    asked = dict.fromkeys(_endpoints(view.requested.network))
    missing = tuple(text for text in asked if not {text, f"private:{text}"} & set(view.grants.network))
    memory = view.requested.memory_mb
    return Unmet(missing, memory if memory is not None and memory > view.limits.memory_mb else None)


def with_requested(grants: GrantsShown, network: Sequence[str], memory_mb: str) -> dict[str, object]:
    """The grants there are and what was requested, as the API takes them."""
    raw = structs.asdict(grants) | {"network": list(dict.fromkeys((*grants.network, *network)))}
    return raw | ({"memory_mb": _number(memory_mb)} if memory_mb else {})


def as_texts(grants: GrantsShown) -> dict[str, str]:
    """What stands in the fields of the form before anybody types."""
    amounts = {name: getattr(grants, name) for name in AMOUNTS}
    texts = {name: "" if amount is None else f"{amount:.12g}" for name, amount in amounts.items()}
    return texts | {"network": "\n".join(grants.network)}


def as_json(
    texts: Mapping[str, str], grants: GrantsShown, env: Mapping[str, EnvField], added: Sequence[tuple[str, str]]
) -> dict[str, object]:
    """What was typed, as the API takes it.

    :param grants: the present ones; a value of their environment stays unless ``env`` says otherwise.
    :param added: new names of the environment with their values.
    """
    untouched = EnvField()
    fields = {name: env.get(name, untouched) for name in grants.env}
    kept = {name: field.replacement or None for name, field in fields.items() if not field.remove}
    return {
        "network": [line.strip() for line in texts["network"].splitlines() if line.strip()],
        "env": kept | dict(added),
        **{name: _number(texts[name]) for name in AMOUNTS},
    }


def errors_of(error: InvalidGrants) -> dict[str, list[str]]:
    """The sentences of the validation at the fields they are about, in the page's words."""
    found: dict[str, list[str]] = {}
    for sentence in error.sentences:
        start = _FIELD.match(sentence)
        field = start.group(1) if start and start.group(1) in FIELDS else ""
        found.setdefault(field, []).append(_for_page(sentence, field) if field else sentence)
    return found


def _for_page(sentence: str, field: str) -> str:
    rest = sentence.removeprefix(field)
    named = rest.removeprefix(": ") if rest.startswith(": ") else _LABELS[field] + rest
    return named.replace("or null for the server's default", "or empty for the server's default")


def _number(text: str) -> object:
    """A number where it is one; else the text, about which the validation has words."""
    text = text.strip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)


def _endpoints(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        try:
            yield str(parse_endpoint(text))
        except ValueError:
            continue
