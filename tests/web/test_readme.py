"""A README from an upload as HTML."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence.config import Settings
from cadence.web.readme import Readme, as_html, readme_of

USUAL = Settings()
_ATTRIBUTES = {"href", "rel", "tabindex", "class"}


class _Seen(HTMLParser):
    """The elements, attributes and addresses of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def html_of(text: str) -> str:
    return str(as_html(readme_of("README.md", text.encode(), USUAL)))


def test_what_authors_write_is_rendered() -> None:
    html = html_of(
        "# Math\n\nAdds *and* `multiplies`.\n\n- one\n- two\n\n|a|b|\n|-|-|\n|1|2|\n\n```py\nadd(2, 3)\n```\n"
    )
    for piece in (
        "<h3>Math</h3>",
        "<em>and</em>",
        "<code>multiplies</code>",
        "<li>one</li>",
        "<td>2</td>",
        "add(2, 3)",
    ):
        assert piece in html


def test_headings_come_below_those_of_the_page() -> None:
    html = html_of("# one\n\n## two\n\n##### five\n\n###### six\n")
    assert "<h3>one</h3>" in html
    assert "<h4>two</h4>" in html
    assert html.count("<h6>") == 2
    assert not _Seen(html).elements & {"h1", "h2"}


def test_links_to_the_web_stay_and_others_are_words() -> None:
    html = html_of(
        "[a](https://example.com/x) [b](mailto:a@example.com) [c](other.md) [d](#there) [e](/plugins/x/delete)"
    )
    assert _Seen(html).links == ["https://example.com/x", "mailto:a@example.com"]
    assert 'rel="noopener noreferrer"' in html
    for word in "cde":
        assert f" {word}" in html


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java&#10;script:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "//evil.example.com/x",
        "&#106;avascript:alert(1)",
        "\\javascript:alert(1)",
    ],
)
def test_a_link_never_leads_to_anything_that_runs(address: str) -> None:
    for text in (f"[click]({address})", f"[click]: {address}\n\n[click]", f"<{address}>"):
        assert not _Seen(html_of(text)).links


def test_an_image_is_the_words_that_stand_for_it() -> None:
    html = html_of(
        "![the *chart*](https://tracker.example.com/pixel.png) [![badge](https://a.b/c.svg)](https://ci.example.com)"
    )
    seen = _Seen(html)
    assert "the chart" in html
    assert "img" not in seen.elements
    assert seen.links == ["https://ci.example.com"]
    assert "badge" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<a href="https://a.b" onclick="alert(1)" style="position:fixed">x</a>',
        "<svg/onload=alert(1)>",
        "a <b hx-get=/plugins/reload hx-trigger=load>b</b>",
        "<!-- --><iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "`<script>`\n\n    <script>alert(1)</script>\n",
        '```"><script>alert(1)</script>\nx\n```',
        "|<script>|\n|-|\n|<img onerror=x>|\n",
        '[x](https://a.b "onmouseover=alert(1)")',
    ],
)
def test_markup_in_it_is_text(text: str) -> None:
    seen = _Seen(html_of(text))
    assert not seen.elements & {"script", "img", "svg", "iframe", "style", "b"}
    assert seen.attributes <= _ATTRIBUTES


@given(st.text(alphabet="<>[]()!`*_#|-\\\"'=&;: \n\tahjsx", max_size=300))
def test_whatever_it_holds_only_known_elements_and_attributes_come_out(text: str) -> None:
    seen = _Seen(html_of(text))
    assert seen.attributes <= _ATTRIBUTES
    assert all(link.startswith(("http://", "https://", "mailto:")) for link in seen.links)
    assert not seen.elements & {"script", "img", "svg", "iframe", "style", "object", "form", "input", "link", "meta"}


def test_characters_that_turn_the_text_around_are_left_out() -> None:
    assert readme_of("README.md", "safe \u202egpj.exe\u2066".encode(), USUAL).text == "safe gpj.exe"


def test_what_is_no_text_is_replaced_and_what_is_too_long_is_cut() -> None:
    assert readme_of("README.md", b"\xff\xfe\x00a", USUAL).text == "\ufffd\ufffd\ufffda"
    long = readme_of("README.md", b"a" * (USUAL.max_readme_characters + 1), USUAL)
    assert (len(long.text), long.cut) == (USUAL.max_readme_characters, True)


def test_an_operator_says_how_much_of_it_is_shown() -> None:
    few = Settings(max_readme_characters=5)
    assert (readme_of("README.md", b"12345", few).text, readme_of("README.md", b"12345", few).cut) == ("12345", False)
    assert (readme_of("README.md", b"123456", few).text, readme_of("README.md", b"123456", few).cut) == ("12345", True)


@pytest.mark.parametrize("sign", ["*", "|", "\n"])
def test_an_operator_says_of_how_many_signs_it_may_be_to_be_rendered(sign: str) -> None:
    few = Settings(max_readme_signs=4)
    assert readme_of("README.md", (f"a{sign}" * 4).encode(), few).is_markdown
    assert not readme_of("README.md", (f"a{sign}" * 5).encode(), few).is_markdown


def test_a_file_that_is_not_markdown_is_shown_as_it_is() -> None:
    html = str(as_html(Readme("README.txt", "*no* <b>", False, is_markdown=False)))
    assert "*no* &lt;b&gt;" in html


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 50_000, "*a " * 20_000, "![[" * 20_000, "a\n" * 30_000, "> " * 30_000, "`a``" * 15_000, "<" * 50_000),
        f"{'|a' * 200}\n{'|-' * 200}\n" + "|\n" * 30_000,
        f"{'|a' * 6000}\n{'|-' * 6000}\n{'|b' * 6000}\n",
    ],
)
def test_a_text_made_to_be_dear_comes_to_no_more_than_a_few_times_its_size(text: str) -> None:
    assert len(html_of(text)) < 8 * USUAL.max_readme_characters
