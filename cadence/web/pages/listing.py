"""The list of plugins as the page shows it: what its address asks for, its rows, and its other addresses."""

from collections.abc import Sequence
from typing import Any, get_args

from flask import request, url_for
from msgspec import Struct, structs

from cadence.web.listing import ListedPlugin, ListPage, ListQuestion, Sort
from cadence.web.pages.fragments import tag_of
from cadence.web.present import STATUS_LABELS, PluginStatus, human_size
from cadence.web.spark import Spark, spark
from cadence.web.version_views import DeletedView

MOST_SEARCH_CHARACTERS = 200
"""Of what is searched for, so much is looked at."""

SHOWN_DELETED = 5
"""So many deleted versions are below the list; the others have a page."""

SHOWN_TOOLS = 4
"""So many tools of a plugin are named in the list."""

#: So many digits can the number of a page have.
_PAGE_DIGITS = 6

SORT_LABELS = {
    Sort.NAME: "Name",
    Sort.STATUS: "What needs attention",
    Sort.NEWEST: "Recently installed",
    Sort.CALLED: "Recently called",
    Sort.CALLS: "Most calls, last hour",
    Sort.ERRORS: "Most errors, last hour",
}


class Row(Struct, frozen=True):
    """A plugin of the list, its chart, and the tag by which it is known whether the page has it so already."""

    plugin: ListedPlugin
    chart: Spark | None
    tag: str


class StatusFilter(Struct, frozen=True):
    """One of the statuses there are among the plugins that were found, or all of them (``status`` None)."""

    status: PluginStatus | None
    label: str
    count: int
    address: str
    is_chosen: bool


def asked() -> ListQuestion:
    """What the address asks for. What it says that makes no sense is as if it did not say it."""
    args = request.args
    status, sort, page = args.get("status", ""), args.get("sort", ""), args.get("page", "")
    is_number = page.isascii() and page.isdecimal() and len(page) <= _PAGE_DIGITS
    return ListQuestion(
        search=" ".join(args.get("q", "").split())[:MOST_SEARCH_CHARACTERS],
        status=next((one for one in get_args(PluginStatus) if one == status), None),
        sort=next((one for one in Sort if one == sort), Sort.NAME),
        page=int(page) if is_number else 1,
    )


def address_of(question: ListQuestion, endpoint: str = "pages.plugins") -> str:
    """The address of a page of the list; what goes without saying is left out."""
    given: dict[str, Any] = {
        "q": question.search or None,
        "status": question.status,
        "sort": question.sort.value if question.sort is not Sort.NAME else None,
        "page": question.page if question.page > 1 else None,
    }
    return url_for(endpoint, **{name: value for name, value in given.items() if value is not None})


def list_fields(page: ListPage, deleted: Sequence[DeletedView]) -> dict[str, Any]:
    """What the templates of the list take.

    :param deleted: the latest, one more than are shown where there are more.
    """
    question = page.question
    rows = [_row(plugin) for plugin in page.plugins]
    shown = tuple(deleted[:SHOWN_DELETED])
    tag = tag_of((structs.replace(page, plugins=()), [(row.plugin.name, row.tag) for row in rows], shown, len(deleted)))
    return {
        "page": page,
        "rows": rows,
        "filters": list(_filters(page)),
        "sorts": SORT_LABELS,
        "address": address_of(question),
        "fragment_address": address_of(question, "pages.plugin_list"),
        "before": address_of(structs.replace(question, page=question.page - 1)) if question.page > 1 else None,
        "after": address_of(structs.replace(question, page=question.page + 1)) if question.page < page.pages else None,
        "deleted": shown,
        "more_deleted": len(deleted) > len(shown),
        "tag": tag,
    }


def _row(plugin: ListedPlugin) -> Row:
    chart = spark(plugin.calls, plugin.errors)
    memory = human_size(plugin.memory_bytes) if plugin.memory_bytes else None
    # A worker's memory goes up and down by some bytes all the time; what is shown of it does not.
    return Row(plugin, chart, tag_of((structs.replace(plugin, calls=(), errors=(), memory_bytes=None), memory, chart)))


def _filters(page: ListPage) -> list[StatusFilter]:
    question = structs.replace(page.question, page=1)
    everything = StatusFilter(
        None, "All", page.matching, address_of(structs.replace(question, status=None)), question.status is None
    )
    statuses = dict.fromkeys([*page.counts, *([question.status] if question.status else [])])
    return [
        everything,
        *(
            StatusFilter(
                status,
                STATUS_LABELS[status],
                page.counts.get(status, 0),
                address_of(structs.replace(question, status=status)),
                question.status == status,
            )
            for status in STATUS_LABELS
            if status in statuses
        ),
    ]
