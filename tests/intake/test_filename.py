import keyword
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence.errors import InvalidFilename
from cadence.intake.filename import MAX_NAME_CHARS, MAX_VERSION_CHARS, parse_filename
from cadence.model import PluginRef


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("math_plugin-1.0.0.zip", "math_plugin", "1.0.0"),
        ("my-plugin-1.0.0-rc.1.zip", "my-plugin", "1.0.0-rc.1"),
        ("a-1-2.zip", "a", "1-2"),
        ("math_plugin-1.0.0 (1).zip", "math_plugin", "1.0.0"),
        ("math_plugin-1.0.0(12).zip", "math_plugin", "1.0.0"),
        ("math_plugin-1.0.0.ZIP", "math_plugin", "1.0.0"),
        ("C:\\fakepath\\math_plugin-1.0.0.zip", "math_plugin", "1.0.0"),
        ("../../math_plugin-1.0.0.zip", "math_plugin", "1.0.0"),
        ("folder/math_plugin-v1.0.zip", "math_plugin", "v1.0"),
        ("sums-1.0+linux.2.zip", "sums", "1.0+linux.2"),
        ("sums-1.0.post1.dev2.zip", "sums", "1.0.post1.dev2"),
    ],
)
def test_name_and_version_are_read(text: str, name: str, version: str) -> None:
    assert parse_filename(text) == PluginRef(name, version)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not end in .zip"),
        (".zip", "no hyphen"),
        ("math-1.0.tar.gz", "does not end in .zip"),
        ("math.zip", "no hyphen"),
        ("math_plugin_1.0.0.zip", "no hyphen"),
        ("-1.0.zip", "starts with a letter"),
        ("1math-1.0.zip", "starts with a letter"),
        ("_math-1.0.zip", "starts with a letter"),
        ("m th-1.0.zip", "starts with a letter"),
        ("mäth-1.0.zip", "starts with a letter"),
        ("math\n-1.0.zip", "starts with a letter"),
        ("math\0-1.0.zip", "starts with a letter"),
        ("class-1.0.zip", "keyword"),
        ("json-1.0.zip", "standard library"),
        ("cadence_sdk-1.0.zip", "runs the plugins"),
        ("cadence-sdk-1.0.zip", "runs the plugins"),
        ("langchain-core-1.0.zip", "runs the plugins"),
        ("math_plugin-1!2.0.zip", "epoch"),
        ("math_plugin- 1.0.zip", "other characters"),
        ("math_plugin-1.0.po\u017ft1.zip", "followed by a version"),
        (f"{'a' * (MAX_NAME_CHARS + 1)}-1.0.zip", "100 characters"),
        (f"math_plugin-1.{'0' * MAX_VERSION_CHARS}.zip", "64 characters"),
        (f"math_plugin-{'9' * 5000}.zip", "255 characters"),
        ("math-1.0.zip\udc80", "does not end in .zip"),
    ],
)
def test_another_name_is_refused_with_the_form_expected_and_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(InvalidFilename) as caught:
        parse_filename(text)
    assert caught.value.message == "Invalid filename format"
    assert isinstance(caught.value.details, str)
    assert "{name}-{version}.zip, for example math_plugin-1.0.0.zip" in caught.value.details
    assert said in caught.value.details
    assert caught.value.details.isprintable()


_tricky = st.text(st.sampled_from("aZ09._-+! ()/\\\0\n\u0660\u017f\udc80vrcpostdev")) | st.text()


@given(_tricky, st.sampled_from([".zip", ".ZIP", " (1).zip", "-1.0.zip", ""]))
def test_whatever_comes_in_a_safe_value_or_a_refusal_comes_out(text: str, end: str) -> None:
    try:
        ref = parse_filename(text + end)
    except InvalidFilename:
        return
    assert not set("/\\\0 ") & set(ref.slug)
    assert ref.slug.isascii()
    assert ref.slug.isprintable()
    assert ref.module.isidentifier()
    assert not keyword.iskeyword(ref.module)
    assert ref.module not in sys.stdlib_module_names
    assert parse_filename(f"{ref.slug}.zip") == ref


@given(
    st.from_regex(r"[A-Za-z][A-Za-z0-9_]{5,20}(-[A-Za-z][A-Za-z0-9_]{5,20})?", fullmatch=True),
    st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(-?(rc|a|b)\.?[0-9]{1,2})?(\+[a-z0-9]{1,5})?", fullmatch=True),
)
def test_an_honest_name_makes_the_round_trip(name: str, version: str) -> None:
    ref = PluginRef(name, version)
    if ref.module not in sys.stdlib_module_names and not keyword.iskeyword(ref.module):
        try:
            assert parse_filename(f"{ref.slug}.zip") == ref
        except InvalidFilename as error:
            assert "runs the plugins" in str(error)  # noqa: PT017  # such a name may be drawn, if rarely
