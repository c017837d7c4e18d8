"""A JSON object becomes grants, or every fault in it at once."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence.errors import InvalidGrants
from cadence.grants import (
    AMOUNTS,
    MAX_CALL_SECONDS,
    MAX_ENDPOINTS,
    MAX_ENV_BYTES,
    MAX_ENV_NAMES,
    MAX_FAULTS,
    MAX_MEMORY_MB,
    GrantChange,
    parse_grants,
    plain_grants,
    unmet_faults,
    unmet_requests,
)
from cadence.model import Endpoint, Grants, Limits, Metadata, Requests

NONE = Grants()
API = Endpoint("api.example.com", 443)


def faults(raw: dict[str, Any], present: Grants = NONE) -> tuple[str, ...]:
    with pytest.raises(InvalidGrants) as caught:
        parse_grants(raw, present)
    return caught.value.sentences


def test_an_empty_object_grants_nothing() -> None:
    assert parse_grants({}, Grants(network=(API,), memory_mb=1024, env={"A": "1"})) == NONE


def test_everything_can_be_granted() -> None:
    raw = {
        "network": ["API.example.com:443", "private:db.internal:5432", "[::1]:80", "api.example.com:443"],
        "memory_mb": 1024,
        "call_seconds": 2.5,
        "cpu_percent": 50,
        "processes": 4,
        "threads": 16,
        "open_files": 64,
        "data_mb": 10,
        "env": {"API_KEY": "s3cret", "EMPTY": ""},
    }
    assert parse_grants(raw, NONE) == Grants(
        network=(API, Endpoint("db.internal", 5432, private=True), Endpoint("::1", 80)),
        memory_mb=1024,
        call_seconds=2.5,
        cpu_percent=50,
        processes=4,
        threads=16,
        open_files=64,
        data_mb=10,
        env={"API_KEY": "s3cret", "EMPTY": ""},
    )


def test_null_is_the_servers_default_everywhere_but_in_env() -> None:
    assert parse_grants({"network": None, "env": None} | dict.fromkeys(AMOUNTS), NONE) == NONE


def test_every_fault_is_told_at_once_and_names_its_field() -> None:
    found = faults(
        {
            "memroy_mb": 5,
            "network": ["api.example.com", 5],
            "memory_mb": "much",
            "call_seconds": 0,
            "processes": True,
            "threads": 7.5,
            "env": {"1A": "x", "PATH": "x", "LOST": None, "NUMBER": 1, "NUL": "a\0b"},
        }
    )
    for words in (
        "'memroy_mb' is not a grant",
        "network: 'api.example.com'",
        "network must be a list of strings; 5",
        "memory_mb must be a whole number of MiB between 16 and 1048576",
        "call_seconds must be a number of seconds between 0.1 and 3600",
        "processes must be",
        "threads must be",
        "env: '1A' is not a name",
        "env: PATH is set by Cadence",
        "env: 'LOST' has no value that could be kept",
        "env: the value of 'NUMBER' must be a string",
        "env: the value of 'NUL'",
    ):
        assert [sentence for sentence in found if words in sentence], words
    assert len(found) == 12


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "TMPDIR", "LANG", "LD_PRELOAD", "PYTHONPATH", "PYTHON_GIL", "CADENCE_PLUGIN_DATA"]
)
def test_reserved_names_are_refused(name: str) -> None:
    assert len(faults({"env": {name: "x"}})) == 1


@pytest.mark.parametrize("name", ["", "A-B", "A B", "A=B", "Ä", "9", "A\n", "A\0", "A" * 129])
def test_what_is_no_name_is_refused(name: str) -> None:
    assert len(faults({"env": {name: "x"}})) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory_mb", 15),
        ("memory_mb", MAX_MEMORY_MB + 1),
        ("memory_mb", 512.0),
        ("memory_mb", 10**400),
        ("call_seconds", MAX_CALL_SECONDS + 1),
        ("call_seconds", -1),
        ("call_seconds", float("inf")),
        ("call_seconds", float("nan")),
        ("processes", -1),
        ("threads", 1),
        ("open_files", 31),
        ("data_mb", 0),
        ("cpu_percent", 0),
        ("network", "api.example.com:443"),
        ("network", {}),
        ("network", ["a:1"] * (MAX_ENDPOINTS + 1)),
        ("network", ["a" * 301 + ":1"]),
        ("env", []),
        ("env", {f"N{n}": "" for n in range(MAX_ENV_NAMES + 1)}),
        ("env", {"A": "x" * (MAX_ENV_BYTES + 1)}),
        ("env", {"A": "\ud800"}),
    ],
)
def test_what_is_out_of_bounds_is_one_fault_that_names_the_field(field: str, value: object) -> None:
    (fault,) = faults({field: value})
    assert fault.startswith(field)


def test_a_flood_of_faults_is_told_in_part() -> None:
    found = faults({f"wrong{number}": 1 for number in range(1000)})
    assert len(found) == MAX_FAULTS + 1
    assert found[-1] == f"There are {1000 - MAX_FAULTS} more faults."


def test_null_in_env_keeps_a_value_and_leaving_out_removes_it() -> None:
    present = Grants(env={"KEPT": "old", "GONE": "old", "NEW": "old"})
    assert parse_grants({"env": {"KEPT": None, "NEW": "new"}}, present).env == {"KEPT": "old", "NEW": "new"}


def test_no_fault_repeats_a_value() -> None:
    for env in ({"A": "s3cret\0"}, {"PATH": "s3cret"}, {"1": "s3cret"}, {"A": ["s3cret"]}, {"A": "s3cret" * 20_000}):
        assert "s3cret" not in " ".join(faults({"env": env}))


def test_what_is_shown_has_no_value_and_can_be_sent_back() -> None:
    grants = Grants(network=(API, Endpoint("::1", 80), Endpoint("db", 1, private=True)), threads=9, env={"A": "s3cret"})
    shown = plain_grants(grants)
    assert shown["env"] == {"A": None}
    assert "s3cret" not in repr(shown) + repr(grants)
    assert parse_grants(shown, grants) == grants


@given(st.dictionaries(st.sampled_from(("network", *AMOUNTS, "env", "other")), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)))  # fmt: skip
def test_whatever_comes_is_grants_or_faults(raw: dict[str, Any]) -> None:
    with suppress(InvalidGrants):
        grants = parse_grants(raw, NONE)
        assert parse_grants(plain_grants(grants), grants) == grants


def test_a_change_leaves_the_rest_as_it_is() -> None:
    present = Grants(network=(API,), memory_mb=1024, threads=16, env={"A": "1", "B": "2"})
    change = GrantChange(network=("b.example:1",), amounts={"memory_mb": None}, env={"C": "3"}, unset_env=("A",))
    assert parse_grants(change.applied_to(present), present) == Grants(
        network=(API, Endpoint("b.example", 1)), threads=16, env={"B": "2", "C": "3"}
    )


def test_no_network_closes_all_but_what_is_given_with_it_and_reset_begins_anew() -> None:
    present = Grants(network=(API,), memory_mb=1024, env={"A": "1"})
    closed = GrantChange(no_network=True, network=("b.example:1",)).applied_to(present)
    assert closed["network"] == ("b.example:1",)
    assert parse_grants(GrantChange(reset=True).applied_to(present), present) == NONE


def test_removing_a_value_that_is_not_set_is_a_fault() -> None:
    with pytest.raises(InvalidGrants, match="'NO' is not set"):
        GrantChange(unset_env=("NO",)).applied_to(NONE)


def test_what_a_plugin_asks_for_and_has_not_is_told_with_the_command_that_grants_it() -> None:
    metadata = Metadata("demo", "1.0", "", network=("api.example.com:443", "b:1", "$(rm -rf /)"), memory_mb=1024)
    told = unmet_requests("demo", metadata.requests, Grants(network=(Endpoint("b", 1, private=True),)), Limits())
    assert told == (
        "It asks for network access to api.example.com:443; "
        "grant it with: flask plugins grant demo --network api.example.com:443",
        "It asks for network access to '$(rm -rf /)', which is not host:port.",
        "It asks for 1024 MiB of memory and has 512; grant it with: flask plugins grant demo --memory-mb 1024",
    )


def test_the_same_is_told_as_faults_of_a_trial_that_failed() -> None:
    requests = Requests(("api.example.com:443", "b:1", "$(rm -rf /)"), 1024)
    faults = unmet_faults("demo", requests, Grants(network=(Endpoint("b", 1),)), Limits(), "reload")
    assert [(fault.message, fault.culprit) for fault in faults] == [
        (
            "It asks for network access to api.example.com:443. "
            "Grant it first: flask plugins grant demo --network api.example.com:443, then reload.",
            "api.example.com:443",
        ),
        ("It asks for network access to '$(rm -rf /)', which is not host:port.", None),
        (
            "It asks for 1024 MiB of memory and has 512. "
            "Grant it first: flask plugins grant demo --memory-mb 1024, then reload.",
            None,
        ),
    ]
    assert {(fault.stage, fault.code) for fault in faults} == {("trial", "not_granted")}


def test_memory_that_cannot_be_granted_comes_with_no_command() -> None:
    (words,) = unmet_requests("demo", Requests(memory_mb=10**1000), NONE, Limits())
    assert words.endswith(f"MiB of memory; at most {MAX_MEMORY_MB} can be granted.")
    assert len(words) < 300


def test_of_many_endpoints_a_few_are_told_and_the_rest_is_counted() -> None:
    requests = Requests(tuple(f"host{number}:1" for number in range(5000)))
    *_, last = told = unmet_requests("demo", requests, Grants(network=(Endpoint("host0", 1),)), Limits())
    assert (len(told), last) == (9, "It asks for network access to 4991 more endpoints.")


@pytest.mark.parametrize(
    ("earlier", "later", "withdrawn"),
    [
        (NONE, Grants(network=(API,), env={"A": "1"}, processes=1), False),
        (Grants(network=(API,)), NONE, True),
        (Grants(network=(Endpoint("db", 1, private=True),)), Grants(network=(Endpoint("db", 1),)), True),
        (Grants(network=(Endpoint("db", 1),)), Grants(network=(Endpoint("db", 1, private=True),)), False),
        (Grants(env={"A": "1"}), Grants(env={"A": "2"}), False),
        (Grants(env={"A": "1"}), NONE, True),
        (Grants(processes=3), Grants(processes=2), True),
        (Grants(processes=3), NONE, True),
        (NONE, Grants(processes=0), False),
        (Grants(memory_mb=1024), Grants(memory_mb=64), False),
    ],
)
def test_endpoints_values_and_processes_can_be_withdrawn(earlier: Grants, later: Grants, withdrawn: bool) -> None:
    assert later.withdraws(earlier, Limits()) is withdrawn
