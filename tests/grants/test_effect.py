"""What a change of grants does to a plugin that answers."""

import threading
from typing import Any

import pytest
from msgspec import structs

from cadence.config import Settings
from cadence.errors import CadenceError, CallTimedOut, InvalidGrants, InvalidRequest, PluginUnavailable
from cadence.granting import GrantOutcome
from cadence.model import Endpoint, Granted, PluginRef
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.grants.plugins import CLINGING, PARTICULAR, SECRET, SULKING, TELLING
from tests.runtime.house import House, eventually, threads

REF = PluginRef("demo_plugin", "1.0.0")


def grant(house: House, raw: dict[str, Any], name: str = "demo_plugin") -> GrantOutcome:
    return house.running.granter.grant(name, lambda _: raw)


def worker_granted(house: House) -> Granted:
    slot = house.live_set.places.slot("demo_plugin")
    assert slot.worker is not None
    return slot.worker.granted


def test_an_environment_value_reaches_the_plugin_by_a_swap(house: House) -> None:
    house.install(TELLING)
    before = house.pid()
    outcome = grant(house, {"env": {"KEY": SECRET}})
    assert outcome == GrantOutcome(house.parts.index.granted("demo_plugin"))
    assert (house.call("env", name="KEY"), house.call("env", name="OTHER")) == (SECRET, None)
    assert house.pid() != before
    house.await_only("demo_plugin")


def test_the_same_grants_again_change_nothing(house: House) -> None:
    house.install(TELLING)
    grant(house, {"env": {"KEY": SECRET}})
    pid, generation = house.pid(), house.parts.index.generation()
    grant(house, {"env": {"KEY": None}})
    assert (house.pid(), house.parts.index.generation()) == (pid, generation)


def test_the_servers_own_variables_cannot_be_taken_over(house: House) -> None:
    house.install(TELLING)
    grant(house, {"env": {"KEY": SECRET}})
    assert house.call("env", name="CADENCE_PLUGIN_DATA").endswith("/data/demo_plugin")


def test_a_plugins_own_time_for_a_call_is_kept_to(house: House) -> None:
    house.install(TELLING)
    grant(house, {"call_seconds": 0.3})
    with pytest.raises(CallTimedOut, match=r"within 0\.3 s"):
        house.call("wait", seconds=60)
    grant(house, {})
    assert house.call("wait", seconds=0.5) == "done"


def test_limits_and_endpoints_are_those_of_the_worker_that_answers(house: House) -> None:
    house.install(TELLING)
    grant(house, {"network": ["api.example.com:443"], "memory_mb": 700})
    worker = house.live_set.places.slot("demo_plugin").worker
    assert worker is not None
    assert worker.granted.grants.network == (Endpoint("api.example.com", 443),)
    assert worker.limits == structs.replace(house.parts.settings.limits, memory_mb=700)


def test_a_call_in_flight_ends_with_the_grants_it_began_with(house: House) -> None:
    house.install(TELLING)
    with threads(1) as start:
        call = start(house.call, "wait", seconds=1.0)
        eventually(lambda: house.live_set.places.slot("demo_plugin").worker._in_flight)  # type: ignore[union-attr]
        grant(house, {"env": {"KEY": SECRET}})
        assert house.call("env", name="KEY") == SECRET
        assert call.result() == "done"
    house.await_only("demo_plugin")


def test_no_call_fails_while_grants_change(house: House) -> None:
    house.install(TELLING)
    over, failures, seen = threading.Event(), list[CadenceError](), list[set[str]]()

    def call() -> None:
        values = set()
        while not over.is_set():
            try:
                values.add(str(house.call("env", name="KEY")))
            except CadenceError as failure:
                failures.append(failure)
        seen.append(values)

    with threads(4) as start:
        calling = [start(call) for _ in range(4)]
        try:
            for number in range(20):
                grant(house, {"env": {"KEY": str(number)}, "threads": 64 + number})
                assert house.call("env", name="KEY") == str(number)
        finally:
            over.set()
        for future in calling:
            future.result()
    assert failures == []
    assert len(set.union(*seen)) > 10
    house.await_only("demo_plugin")


def test_grants_a_plugin_does_not_start_with_are_refused_whole_and_it_goes_on(house: House) -> None:
    house.install(PARTICULAR)
    grant(house, {"env": {"MODE": "good"}})
    before, pid = house.parts.index.granted("demo_plugin"), house.pid()
    with pytest.raises(InvalidGrants) as caught:
        grant(house, {"env": {"MODE": "bad"}, "memory_mb": 1024})
    assert caught.value.message == "The plugin does not start with these grants"
    assert "no such mode" in caught.value.in_words
    assert (house.parts.index.granted("demo_plugin"), house.pid()) == (before, pid)
    assert house.call("env", name="MODE") == "good"
    house.await_only("demo_plugin")


def test_what_is_withdrawn_is_gone_though_the_plugin_does_not_start_without(house: House) -> None:
    house.install(CLINGING)
    grant(house, {"env": {"KEY": SECRET}})
    outcome = grant(house, {})
    assert "the key is gone" in str(outcome.error)
    assert house.parts.index.granted("demo_plugin").grants.env == {}
    with pytest.raises(PluginUnavailable, match="the key is gone"):
        house.call("env", name="KEY")
    house.await_only()  # the old worker is gone with its grants
    grant(house, {"env": {"KEY": "again"}})
    assert house.call("env", name="KEY") == "again"


def test_a_plugin_that_sulks_without_what_was_withdrawn_answers_all_the_same(house: House) -> None:
    house.install(TELLING, plugin_body=SULKING)
    grant(house, {"env": {"KEY": SECRET}})
    assert grant(house, {}).error is None
    assert house.call("env", name="KEY") is None
    assert not house.live().report.health.healthy
    # And as it is unhealthy anyway, it may be given one thing after the other until it is well.
    grant(house, {"env": {"OTHER": "1"}})
    grant(house, {"env": {"OTHER": "1", "KEY": SECRET}})
    assert house.live().report.health.healthy


def test_one_that_is_healthy_has_to_stay_so(house: House) -> None:
    house.install(
        TELLING,
        plugin_body=SULKING.replace("no key", "x").replace('"KEY" in os.environ or', '"NO" not in os.environ and'),
    )
    with pytest.raises(InvalidGrants, match="health check failed"):
        grant(house, {"env": {"NO": "1"}})
    assert house.live().report.health.healthy


def test_another_server_keeps_to_what_was_withdrawn_too(house: House, settings: Settings, zygote: Zygote) -> None:
    house.install(CLINGING)
    grant(house, {"env": {"KEY": SECRET}})
    parts = Parts(settings, zygote)
    try:
        other = House(parts)
        other.running.reconciler.catch_up()
        assert other.call("env", name="KEY") == SECRET
        grant(house, {})
        other.running.reconciler.catch_up()
        with pytest.raises(PluginUnavailable, match="the key is gone"):
            other.call("env", name="KEY")
        eventually(lambda: not other.workers())
    finally:
        parts.close()


def test_another_server_goes_on_with_the_old_worker_where_nothing_was_withdrawn(
    house: House, settings: Settings, zygote: Zygote
) -> None:
    house.install(PARTICULAR)
    parts = Parts(settings, zygote)
    try:
        other = House(parts)
        other.running.reconciler.catch_up()
        assert other.call("env", name="MODE") is None  # it is awake
        house.parts.index.put_grants("demo_plugin", structs.replace(worker_granted(house).grants, env={"MODE": "bad"}))
        other.running.reconciler.catch_up()
        assert other.call("env", name="MODE") is None
        assert "no such mode" in str(other.live().error)
    finally:
        parts.close()


def test_a_new_version_is_tried_and_runs_with_the_plugins_grants(house: House) -> None:
    house.install(TELLING)
    grant(house, {"env": {"KEY": SECRET}})
    demanding = f'import os\nassert os.environ["KEY"] == "{SECRET}"\n{TELLING}'
    house.install(demanding, version="2.0.0")
    assert (house.live().record.ref.version, house.call("env", name="KEY")) == ("2.0.0", SECRET)


def test_an_install_with_grants_does_not_start_the_plugin_twice(house: House) -> None:
    house.install(TELLING)
    grant(house, {"env": {"KEY": SECRET}})
    house.install(TELLING, version="2.0.0")
    pid = house.pid()
    house.running.reconciler.catch_up()
    assert house.pid() == pid
    grant(house, {"env": {"KEY": "other"}})
    pid = house.pid()
    house.running.reconciler.catch_up()
    assert house.pid() == pid


def test_a_worker_that_is_started_again_has_them_too(house: House) -> None:
    house.install(TELLING)
    grant(house, {"env": {"KEY": SECRET}})
    assert house.running.reconciler.reload().failed == 0
    assert house.call("env", name="KEY") == SECRET
    pid = house.pid()
    slot = house.live_set.places.slot("demo_plugin")
    assert slot.worker is not None
    slot.worker.kill("a test wants it")
    house.await_replacement(pid)
    assert house.call("env", name="KEY") == SECRET


def test_grants_outlive_the_server(settings: Settings, zygote: Zygote) -> None:
    for expected in (None, SECRET):
        parts = Parts(settings, zygote)
        try:
            house = House(parts)
            if expected is None:
                house.install(TELLING)
                grant(house, {"env": {"KEY": SECRET}})
            house.running.reconciler.catch_up()
            assert house.call("env", name="KEY") == SECRET
        finally:
            parts.close()


def test_a_plugin_that_is_deleted_and_installed_again_has_none(house: House) -> None:
    house.install(TELLING)
    grant(house, {"env": {"KEY": SECRET}})
    house.running.remover.delete(REF)
    assert house.parts.index.granted("demo_plugin") == Granted()
    house.install(TELLING)
    assert house.call("env", name="KEY") is None


@pytest.mark.parametrize("name", ["../x", "", "json", "x" * 101])
def test_a_name_no_plugin_can_have_cannot_be_granted_anything(house: House, name: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be the name of a plugin"):
        grant(house, {"threads": 64}, name)


def test_one_that_is_not_active_keeps_them_for_later(house: House) -> None:
    house.install(TELLING)
    house.parts.index.database.execute("UPDATE plugins SET active_version = NULL, metadata_name = NULL")
    grant(house, {"env": {"KEY": SECRET}})
    house.parts.index.activate("demo_plugin", "1.0.0")
    house.running.reconciler.catch_up()
    assert house.call("env", name="KEY") == SECRET
