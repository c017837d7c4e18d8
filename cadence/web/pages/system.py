"""The System page, and the banner by which every page says that plugins are not confined as they should be."""

from contextlib import suppress
from typing import Any

from flask import Response, render_template

from cadence.chat.values import Picture
from cadence.errors import InvalidFilename, NotFound
from cadence.intake.filename import parse_filename
from cadence.web.graph_layout import layout
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.fragments import conditional, tag_of
from cadence.web.pages.limits import LIMITS
from cadence.web.pages.system_services import system_services
from cadence.web.present import PluginView, human_size
from cadence.web.system import ProcessesView, SystemView

#: So long a part of the page that comes by itself, or was asked for alone, waits for what is measured.
MEASURING_SECONDS = 10.0


def system() -> Response:
    """``GET /system``: the sandbox layer by layer, disks, processes, the limits, the host."""
    return _page()


def graph() -> Response:
    """``GET /system/graph``: the graph of conversations for htmx, which asks for it once the page is there.

    Making it may take a second, since nobody may have asked anything yet, and each time some milliseconds. So a page
    asks for it again when it is come back to, and not all the while. Others get the page with it.
    """
    picture = system_services().picture()
    agents = _agents(picture)
    standing = [(name, one.status, [tool.name for tool in one.tools]) for name, one in sorted(agents.items())]
    tag = tag_of((picture, standing))
    fields: dict[str, Any] = {"picture": picture, "graph": layout(picture), "agents": agents, "graph_tag": tag}
    if not is_htmx():
        return _page(**fields)
    return conditional(lambda: render_template("system/partials/graph.html", **fields), tag)


def disk() -> Response:
    """``GET /system/disk``: what lies on the disk, once that was measured. Others than htmx get the page with it."""
    system = system_services().system(MEASURING_SECONDS)
    if is_htmx():
        return respond(render_template("system/partials/disk.html", system=system, name_of=_name_of, again=True))
    return _page(system)


def processes() -> Response:
    """``GET /system/processes``: servers and workers, for the part of the page that follows them."""
    if not is_htmx():
        return _page()
    view = system_services().processes()
    tag = processes_tag(view)
    return conditional(lambda: render_template("system/partials/processes.html", system=view, tag=tag), tag)


def banner() -> Response:
    """``GET /system/banner``: the banner alone, for a page that was made before the sandbox was known."""
    return respond(render_template("system/partials/banner.html"))


def processes_tag(view: ProcessesView | SystemView) -> str:
    """The entity tag of what is shown of the processes: a few bytes more or less are not seen."""
    servers = [(one.pid, human_size(one.memory_bytes), one.seen_generation, one.behind) for one in view.servers]
    workers = (view.workers.awake, human_size(view.workers.memory_bytes))
    rooms = [(human_size(one.free_bytes), one.scarce) for one in view.rooms]
    return tag_of((servers, workers, rooms))


def _page(system: SystemView | None = None, **fields: Any) -> Response:
    system = system or system_services().system()
    tag = processes_tag(system)
    return Response(
        render_template("system/page.html", system=system, limits=LIMITS, tag=tag, name_of=_name_of, **fields)
    )


def _agents(picture: Picture) -> dict[str, PluginView]:
    """The plugins whose agents are in the graph, by name, but those that were deleted meanwhile."""
    found = {}
    for name in {node.plugin for node in picture.nodes if node.plugin}:
        with suppress(NotFound):
            found[name] = system_services().plugin(name)
    return found


def _name_of(slug: str) -> str | None:
    """The plugin of a version, to lead to its pages; None for a folder that was named otherwise by hand."""
    try:
        return parse_filename(f"{slug}.zip").name
    except InvalidFilename:
        return None
