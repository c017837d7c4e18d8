"""Every page in every state that looks different, for the tests that go through all of them.

A page that is added is added here: a test compares the list with the routes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import structs
from playwright.sync_api import Page, expect

from cadence.chat.values import TurnRecord
from cadence.config import MIB, SandboxMode
from cadence.history import ActivationCause, EventKind
from cadence.model import Endpoint, ExampleResult, Grants, InstallState, PluginRef, ToolSpec
from cadence.origin import OriginKind
from cadence.runtime.log_lines import Level, Stream
from cadence.sandbox import Sandbox
from cadence.web.packages import Packages, PackageView
from cadence.web.present import PluginView, Requested
from tests.web.pages.comparing import EVERYTHING, ComparingServices
from tests.web.pages.preview import LAYERS, MadeUpServices, layers, plugin, scene, shown_install, version
from tests.web.pages.preview_chat import graph, step, thread_record, turn_record
from tests.web.pages.preview_logs import log_line
from tests.web.pages.preview_system import disk_view, environment, room
from tests.web.pages.preview_versions import activated, ago, check, happened

__all__ = ["ELSEWHERE", "STATES", "State", "furnished"]

LONG = "a_plugin_with_a_name_that_goes_on_and_on_and_on_and_on_and_on_and_on_and_on_until_there_is_no_room_left"
WORDS = "what-it-says-goes-on-without-a-blank-" * 8
NUMBER = "1.0.0+a.local.version.that.goes.on.and.on.and.on.and.on"
MATH = "/plugins/math_plugin"

Act = Callable[[Page], None]
Prepare = Callable[[ComparingServices], None]


def nothing(_: object) -> None:
    """Leave it as it is."""


@dataclass(frozen=True)
class State:
    """A page as it is to be looked at.

    :ivar endpoint: the route it shows, without the blueprint's name.
    :ivar prepare: what is different from :func:`furnished`.
    :ivar act: what is done on the page before it is looked at.
    :ivar errors: pieces of the complaints that a browser makes of an answer that is an error.
    :ivar walk: whether to go through it with the keyboard, and to look at all of it at each width.
    """

    name: str
    endpoint: str
    path: str
    prepare: Prepare = nothing
    act: Act = nothing
    errors: tuple[str, ...] = ()
    walk: bool = False


def furnished() -> ComparingServices:
    """A server with plugins of every kind, and something in every place."""
    services, usual = ComparingServices(), scene("installs")
    math = structs.replace(usual.plugin("math_plugin"), rollback_version="1.0.0", tools=tools(), is_new=True)
    latest, *older = math.versions
    latest = structs.replace(latest, environment="5f0e9c1a77d2", isolated=True, dependencies_installed=("numpy>=2",))
    math = structs.replace(math, versions=(latest, *older))
    others = [view for view in usual.installed if view.name != "math_plugin"]
    services.installed[:] = [math, *others, long_plugin()]
    services.shown, services.said = usual.shown, usual.said
    services.reloaded = usual.reloaded
    services.drawn = graph(*(view.name for view in services.installed), left_out=2)
    services.happenings = [
        activated("1.1.0", "1.0.0", ActivationCause.INSTALL, "It is the highest version."),
        *(happened(kind, words=WORDS if kind is EventKind.CRASHED else "It says why.") for kind in EventKind),
    ]
    services.checks = [check(), check(healthy=False, words="The service does not answer."), check("1.0.0")]
    services.examples = [ExampleResult("add", {"a": 2}, True), ExampleResult("root", {}, False, "It is 3.")]
    services.requested = Requested(("api.example.com:443",), 2048)
    services.granted["math_plugin"] = Grants(network=(Endpoint("10.0.0.5", 5432),), env={"TOKEN": "x"})
    services.brought[PluginRef("math_plugin", "1.1.0")] = brought()
    services.logged["math_plugin"] = [
        *(log_line(f"line {number}") for number in range(60)),
        *(log_line(WORDS, level, Stream.STDERR) for level in Level),
    ]
    services.disk = disk_view(environment("5f0e9c1a77d2", "math_plugin-1.1.0", f"{LONG}-{NUMBER}"), environment())
    talk(services)
    return services


def brought() -> Packages:
    """Packages of every kind: large, of no known size, needed by the plugin, by many, and by nobody that is known."""
    packages = (
        PackageView("numpy", "2.1.0", 73 * MIB, True),
        PackageView("pydantic", "2.7.4", 3 * MIB + 400_000, True, ("cadence-sdk", LONG), built=True),
        PackageView("typing-extensions", NUMBER, None, False, tuple(f"needs-it-{n}" for n in range(9))),
        PackageView(LONG, NUMBER),
    )
    return Packages(packages, (WORDS,), "numpy==2.1.0", (PluginRef(LONG, NUMBER),), 80 * MIB)


def tools() -> tuple[ToolSpec, ...]:
    """Tools whose arguments are of every kind."""
    properties = {
        "text": {"type": "string", "description": "Some words."},
        "count": {"type": "integer", "minimum": 0, "maximum": 10, "default": 3},
        "ratio": {"type": "number"},
        "exact": {"type": "boolean", "default": True},
        "unit": {"enum": ["m", "km"]},
        "numbers": {"type": "array", "items": {"type": "number"}},
        "options": {"type": "object", "properties": {"deep": {"type": "string"}}},
    }
    schema = {"type": "object", "properties": properties, "required": ["text", "numbers"]}
    return (ToolSpec("median", "The median of a list of numbers.", schema, examples=2), ToolSpec("add", WORDS, {}))


def long_plugin() -> PluginView:
    """A plugin whose every word is as long as it gets."""
    return plugin(
        LONG,
        "degraded",
        version=NUMBER,
        description=WORDS,
        status_words=WORDS,
        capabilities=(WORDS,),
        tools=tuple(ToolSpec(f"{LONG}_{number}", WORDS, {}) for number in range(3)),
        versions=(
            version(NUMBER, name=LONG, warnings=(WORDS,), quarantine=None),
            version("0.9", name=LONG, active=False, quarantine=WORDS),
        ),
    )


def talk(services: MadeUpServices) -> None:
    """Conversations with everything that one can have."""
    steps = (step(result={"rows": ["x" * 400] * 80}), step("divide", result=None, error="No result."), step(LONG))
    services.keep(
        thread_record(title=f"{LONG} {LONG}"),
        turn_record(1, "x" * 300, response="y" * 300, steps=steps, limit="A limit.", plugins=("math_plugin",)),
        turn_record(2, "why?", state="interrupted", response="As far", notices=(f"{LONG} is gone.",)),
        TurnRecord(3, "again", ago(minutes=1), "failed", error="The provider answered with error 500."),
    )


# What is different


def empty(services: ComparingServices) -> None:
    """A new server."""
    fresh = MadeUpServices()
    for name in ("installed", "shown", "said", "happenings", "checks"):
        getattr(services, name).clear()
    services.logged.clear()
    services.brought.clear()
    services.chats.clear()
    services.drawn, services.disk = graph(), disk_view()
    services.reloaded = fresh.reloaded


def calm(services: ComparingServices) -> None:
    """No install, which other states show, and which take their time to be looked at."""
    services.shown = []


def incomplete(services: ComparingServices) -> None:
    """A host that lacks layers, in safe mode, with a full disk."""
    calm(services)
    services.sandbox = Sandbox(SandboxMode.PREFER, layers("landlock", "cgroup", weak="seccomp"))
    services.safe_mode = True
    services.rooms = (room(free_bytes=1024**2),)
    services.disk = disk_view(hidden=2)


def unconfined(services: ComparingServices) -> None:
    """No sandbox at all."""
    services.sandbox = Sandbox.of(SandboxMode.OFF, LAYERS)


def unmeasured(services: ComparingServices) -> None:
    """A disk that takes its time."""
    services.disk = None


def not_known(services: ComparingServices) -> None:
    """A host that gives no process."""
    services.sandbox, services.failure = None, "The host gives no process."


def thrown_away(services: ComparingServices) -> None:
    """Versions that can be brought back."""
    calm(services)
    services.delete(PluginRef("math_plugin", "1.0.0"))
    services.delete(PluginRef("weather_plugin", "3.0.0"))


def checked(services: ComparingServices) -> None:
    """A check whose archive is kept."""
    services.show_check(comparison=EVERYTHING)


def everywhere(services: ComparingServices) -> None:
    """What happened to several plugins, to one with a long name, and to all of them at once."""
    for name in ("math_plugin", "weather_plugin", LONG):
        services.happenings.append(activated("1.0.0", None, ActivationCause.INSTALL, plugin_name=name))
        trouble = happened(EventKind.CRASHED, words=WORDS, origin=OriginKind.SERVER, plugin_name=name)
        services.happenings.append(trouble)


def cancelled(services: ComparingServices) -> None:
    """An install that is over."""
    services.shown = [shown_install(InstallState.CANCELLED, 6, {}, id="g")]


# What is done on a page


def ask_to_delete(page: Page) -> None:
    """Open the dialog."""
    page.locator("a[href$='/delete'][hx-get]").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()


def choose_and_delete(page: Page) -> None:
    """Choose all plugins, and open the dialog that asks."""
    page.locator("#bulk-all").check()
    page.locator("#bulk-delete").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def reload(page: Page) -> None:
    """Reload all plugins."""
    page.get_by_role("button", name="Reload plugins").click()
    expect(page.locator(".reloaded")).to_be_visible()


def see_packages(page: Page) -> None:
    """Make sure that the table is there."""
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(5)


def save_nonsense(page: Page) -> None:
    """Have a form refused."""
    page.get_by_label("Threads").fill("many")
    page.get_by_role("button", name="Save permissions").click()
    expect(page.locator("[aria-invalid='true']").first).to_be_visible()


def call_tool(page: Page) -> None:
    """Call the tool with what stands in its form."""
    page.locator(".tool-form .primary").click()
    expect(page.locator("#tool-result, .tool-form [aria-invalid='true']").first).to_be_visible()


def check_health(page: Page) -> None:
    """Look at it now."""
    page.locator("form[action$='/health'] button").click()
    expect(page.locator(".saved").first).to_be_visible()


def self_test(page: Page) -> None:
    """Run the examples."""
    page.locator("form[action$='/self-test'] button").click()
    expect(page.locator(".saved").first).to_be_visible()


STATES = (
    State("plugins", "plugins", "/plugins", walk=True),
    State("plugins-empty", "plugins", "/plugins", empty, walk=True),
    State("plugins-none-fits", "plugins", "/plugins?q=nothing-like-this", calm),
    State("plugins-searched", "plugins", "/plugins?q=plugin&status=failed", calm),
    State("plugins-incomplete", "plugins", "/plugins", incomplete),
    State("plugins-trash", "plugins", "/plugins", thrown_away),
    State("plugins-reloaded", "plugins", "/plugins", calm, act=reload),
    State("plugins-dialog", "plugins", "/plugins", calm, act=ask_to_delete, walk=True),
    State("plugins-bulk-dialog", "plugins", "/plugins", calm, act=choose_and_delete),
    State("deleted", "deleted", "/plugins/deleted", thrown_away, walk=True),
    State("deleted-empty", "deleted", "/plugins/deleted"),
    State("delete", "delete", f"{MATH}/1.1.0/delete", walk=True),
    State("delete-long", "delete", f"/plugins/{LONG}/{NUMBER}/delete"),
    State(
        "delete-selected", "delete_selected", f"/plugins/chosen.d/delete?plugin=math_plugin&plugin={LONG}", walk=True
    ),
    State("plugin", "plugin", MATH, walk=True),
    State("plugin-long", "plugin", f"/plugins/{LONG}"),
    State("plugin-failed", "plugin", "/plugins/search_plugin"),
    State("plugin-stopped", "plugin", "/plugins/weather_plugin"),
    State("versions", "versions", f"{MATH}/versions", walk=True),
    State("versions-long", "versions", f"/plugins/{LONG}/versions", thrown_away),
    State("tools", "tools", f"{MATH}/tools", walk=True),
    State("tool", "tools", f"{MATH}/tools?tool=median", walk=True),
    State("tool-as-json", "tools", f"{MATH}/tools?tool=median&as=json"),
    State("tool-called", "tools", f"{MATH}/tools?tool=add", act=call_tool),
    State("tool-refused", "tools", f"{MATH}/tools?tool=median", act=call_tool, errors=("422", "400")),
    State("tools-long", "tools", f"/plugins/{LONG}/tools"),
    State("tools-none", "tools", "/plugins/weather_plugin/tools"),
    State("health", "health", f"{MATH}/health", walk=True),
    State("health-empty", "health", f"{MATH}/health", lambda services: services.checks.clear()),
    State("health-checked", "health", f"{MATH}/health", act=check_health),
    State("health-tested", "health", f"{MATH}/health", act=self_test),
    State("logs", "logs", f"{MATH}/logs", walk=True),
    State("logs-empty", "logs", f"/plugins/{LONG}/logs"),
    State("permissions", "permissions", f"{MATH}/permissions", walk=True),
    State("permissions-refused", "permissions", f"{MATH}/permissions", act=save_nonsense, errors=("422",)),
    State("packages", "packages", f"{MATH}/packages", act=see_packages, walk=True),
    State("packages-none", "packages", f"/plugins/{LONG}/packages"),
    State("history", "history", f"{MATH}/history", walk=True),
    State("history-of-gone", "history", "/plugins/gone_plugin/history", errors=("404",)),
    State("logs-of-gone", "logs", "/plugins/gone_plugin/logs", errors=("404",)),
    State("permissions-ahead", "permissions", "/plugins/future_plugin/permissions", errors=("404",)),
    State("history-empty", "history", f"{MATH}/history", lambda services: services.happenings.clear()),
    State("whole-history", "whole_history", "/history", everywhere, walk=True),
    State("whole-history-part", "whole_history", "/history?kind=trouble&origin=server", everywhere),
    State("whole-history-unknown", "whole_history", "/history?plugin=nowhere", everywhere),
    State("whole-history-empty", "whole_history", "/history", lambda services: services.happenings.clear()),
    State("compare", "compare", f"{MATH}/compare?from=1.0.0&to=1.1.0", walk=True),
    State("compare-file", "compare", f"{MATH}/compare?from=1.0.0&to=1.1.0&file=tools.py"),
    State("installs", "installs", "/installs", walk=True),
    State("installs-none", "installs", "/installs?state=cancelled&plugin=nowhere", calm),
    State("install-running", "install", "/installs/a", walk=True),
    State("install-failed", "install", "/installs/b"),
    State("install-done", "install", "/installs/c"),
    State("install-cancelled", "install", "/installs/g", cancelled),
    State("check", "install", "/installs/checked", checked, walk=True),
    State("chat", "chat", "/chat", walk=True),
    State("chat-empty", "chat", "/chat", empty),
    State("thread", "chat_thread", "/chat/t1", walk=True),
    State("thread-delete", "chat_delete", "/chat/t1/delete", walk=True),
    State("system", "system", "/system", walk=True),
    State("system-empty", "system", "/system", empty),
    State("system-incomplete", "system", "/system", incomplete),
    State("system-unconfined", "system", "/system", unconfined),
    State("system-unmeasured", "system", "/system", unmeasured),
    State("system-not-known", "system", "/system", not_known),
    State("nowhere", "plugin", "/plugins/nowhere", errors=("404",), walk=True),
)

ELSEWHERE = {
    "home": "leads on to the list of plugins",
    "plugin_list": "a part of the list of plugins",
    "plugin_standing": "a part of the pages of a plugin",
    "live_installs": "a part of the list of plugins",
    "install_log": "a part of the page of an install",
    "chat_threads": "a part of the pages of conversations",
    "chat_turn": "a part of a conversation",
    "banner": "a part of every page",
    "graph": "a part of the System page",
    "disk": "a part of the System page",
    "processes": "a part of the System page",
    "usage": "a part of the permissions of a plugin",
    "lock": "a file",
    "archive": "a file",
    "sample": "a file",
    "htmx_script": "a script",
}
"""The addresses that are no pages of their own, and what they are."""
