"""The README of a plugin as HTML that can do nothing: it comes from whoever made the plugin.

Two things keep it so, and each would be enough: the Markdown is rendered without raw HTML (CommonMark 0.31, with
tables), and what comes out is cleaned down to a list of elements. Nothing of it is fetched: an image is the words that
stand for it, and a link leads to the web or nowhere.
"""

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from markupsafe import Markup
from msgspec import Struct

from cadence.config import Settings

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

#: The page has headings of its own above it: its first heading is one of the third rank.
_DEEPER = 2
_DEEPEST = 6
_SCHEMES = {"http", "https", "mailto"}
_ELEMENTS = {
    *("p", "br", "hr", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code"),
    *("em", "strong", "s", "a", "table", "thead", "tbody", "tr", "th", "td"),
}
#: What turns the order of characters around, so that a text reads otherwise than it is (Unicode, UAX #9, section 2).
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
#: A text with very many of one of these signs, or lines, is none that somebody wrote: it is shown as it is, since to
#: render it could take seconds and come to many times its size.
_SIGNS = "|[]*_`<>&\\~!#\n"


class Readme(Struct, frozen=True):
    """What a plugin says of itself in a file: its ``name``, and the beginning of its text, ``cut`` where there is more.

    ``is_markdown`` is whether it is to be read as such.
    """

    name: str
    text: str
    cut: bool
    is_markdown: bool = True


def readme_of(name: str, data: bytes, settings: Settings) -> Readme:
    """A README as it lies in a file.

    :param data: the bytes of the file, or its beginning.
    :param settings: how much of it is shown, in characters, and of how many signs it may be to be rendered.
    """
    text = _TURNS.sub("", data.decode("utf-8", errors="replace").removeprefix("\ufeff"))
    text = text.replace("\r\n", "\n").replace("\x00", "\ufffd")
    shown = text[: settings.max_readme_characters]
    is_written = all(shown.count(sign) <= settings.max_readme_signs for sign in _SIGNS)
    return Readme(name, shown, len(text) > len(shown), name.lower().endswith(".md") and is_written)


@lru_cache(maxsize=16)
def as_html(readme: Readme) -> Markup:
    """A README as a piece of a page."""
    if not readme.is_markdown:
        return Markup('<pre class="plain-text" tabindex="0">{}</pre>').format(readme.text)
    import nh3

    markdown = _markdown()
    html = markdown.renderer.render(_tamed(markdown.parse(readme.text)), markdown.options, {})
    cleaned = nh3.clean(
        html, tags=_ELEMENTS, attributes={"a": {"href"}, "*": set()}, url_schemes=_SCHEMES, strip_comments=True
    )
    # What may be wider than the page is scrolled by itself, by keyboard too.
    for element in ("pre", "table"):
        cleaned = cleaned.replace(f"<{element}>", f'<{element} tabindex="0">')
    return Markup(cleaned)  # noqa: S704 - cleaned just now


def _tamed(tokens: "list[Token]") -> "list[Token]":
    """The same without images, without links to anywhere but the web, and with headings below those of the page."""
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(_DEEPEST, int(token.tag[1:]) + _DEEPER)}"
        if token.children is not None:
            token.children = _without_links(token.children)
    return tokens


def _without_links(children: "list[Token]") -> "list[Token]":
    from markdown_it.token import Token

    kept, dropped = [], []
    for child in children:
        if child.type == "link_open":
            dropped.append(str(child.attrs.get("href", "")).partition(":")[0].lower() not in _SCHEMES)
        is_link = child.type in ("link_open", "link_close")
        if child.type == "image":
            words = "".join(part.content for part in child.children or ()) or "(image)"
            kept.append(Token("text", "", 0, content=words))
        elif not (is_link and dropped and dropped[-1]):
            kept.append(child)
        if child.type == "link_close" and dropped:
            dropped.pop()
    return kept


@cache
def _markdown() -> "MarkdownIt":
    """What renders. Loading it takes 40 ms, which no start of the server waits for."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
