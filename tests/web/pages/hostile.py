"""A server on which everything that comes from a plugin, or was typed by somebody, tries to be more than text."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from cadence.web.incoming import IncomingUpload
from tests.web.pages.comparing import ComparingServices
from tests.web.pages.preview import shown_install
from tests.web.pages.states import LONG, furnished

#: Each tries another way out of where it stands; ``{}`` makes every place tell itself from the others.
_TRIES = (
    "<script data-hostile>document.title='owned'</script>hostile-{}",
    'hostile-{}"><img data-hostile src=/owned onerror="document.title=\'owned\'">',
    "hostile-{}' onmouseover='document.title=1' data-hostile='",
    "</textarea></pre></option></select></title><svg data-hostile onload=\"document.title='owned'\">hostile-{}</svg>",
    "hostile-{}<a data-hostile href=\"javascript:document.title='owned'\">click</a>{{{{ 7919 * 7907 }}}}{{% raw %}}",
    "<div data-hostile hx-get=/owned hx-trigger=load hx-on:click=\"document.title='owned'\">hostile-{}</div>",
    "hostile-{} [x](javascript:alert(1)) ![y](/owned) \u202egnitrevni\u202c \x00\x1b[31m &lt;b data-hostile&gt;",
)
#: What of these values is text that comes from elsewhere. Names and versions of plugins, which are checked, are not.
_TEXTS = frozenset(
    {
        *("description", "status_words", "words", "title", "message", "response", "error", "text", "filename", "label"),
        *("culprit", "line", "quarantine", "notices", "capabilities", "warnings", "sentences", "limit", "result"),
        *("failure", "requirement", "isolated", "dependencies_installed", "checks", "task", "args", "detail", "reason"),
    }
)


class Hostility:
    """Makes hostile texts, and remembers them."""

    def __init__(self) -> None:
        self._tries = itertools.cycle(_TRIES)
        self._numbers = itertools.count(1)

    def text(self) -> str:
        """The next one."""
        return next(self._tries).format(next(self._numbers))

    def of(self, value: Any, name: str = "") -> Any:
        """The same value with hostile texts in it."""
        if isinstance(value, Struct):
            fields = {field.name: self.of(getattr(value, field.name), field.name) for field in structs.fields(value)}
            return structs.replace(value, **fields)
        if isinstance(value, list | tuple):
            return type(value)(self.of(one, name) for one in value)
        if isinstance(value, Mapping) and name in ("args", "checks", "result"):
            return {**{key: self.of(one, name) for key, one in value.items()}, self.text(): self.text()}
        is_text = type(value) is str and name in _TEXTS
        return self.text() if is_text else value


def hostile_services() -> ComparingServices:
    """Such a server."""
    services, hostility = furnished(), Hostility()
    services.installed[:] = [_with_tools(hostility.of(view), hostility) for view in services.installed]
    for name in ("happenings", "checks", "examples", "shown", "arriving"):
        found = getattr(services, name)
        found[:] = hostility.of(list(found))
    services.logged = {name: hostility.of(lines) for name, lines in services.logged.items()}
    services.chats = {key: hostility.of(found) for key, found in services.chats.items()}
    services.said = [hostility.text() for _ in range(7)]
    services.answer = {hostility.text(): [hostility.text()]}
    services.readmes = dict.fromkeys(("math_plugin", LONG), "\n\n".join(_all(hostility)).encode())
    services.describes = {"math_plugin": _sayings(hostility)}
    services.brought = {ref: hostility.of(packages) for ref, packages in services.brought.items()}
    services.shown.append(shown_install(id="h", filename=hostility.text()))
    services.arriving.append(IncomingUpload("i", hostility.text(), 1, 2, hostility.text()))
    services.trash = {ref: hostility.of(kept) for ref, kept in services.trash.items()}
    return services


def _all(hostility: Hostility) -> Iterator[str]:
    return (hostility.text() for _ in _TRIES)


def _sayings(hostility: Hostility) -> dict[str, Any]:
    return {
        "metadata_name": hostility.text(),
        "agent_type": hostility.text(),
        "model": {hostility.text(): hostility.text(), "provider": [hostility.text()]},
        "response_suggestion": hostility.text(),
        "response_schema": {hostility.text(): hostility.text()},
        "sdk_version": hostility.text(),
        "dependencies": tuple(_all(hostility)),
        "requests": tuple(_all(hostility)),
    }


def _with_tools(view: Any, hostility: Hostility) -> Any:
    """A plugin whose tools are called as they like, and take what they like."""
    texts = list(_all(hostility))
    schema = {
        "properties": {
            texts[0]: {"type": "string", "title": texts[1], "description": texts[2], "default": texts[3]},
            texts[4]: {"enum": texts, "description": texts[5]},
            texts[6]: {"type": "object", "description": texts[0]},
        },
        "required": [texts[0]],
    }
    if not view.tools:
        return view
    first = structs.replace(view.tools[0], parameters=schema)
    return structs.replace(view, tools=(first, *view.tools[1:], structs.replace(first, name=hostility.text())))
