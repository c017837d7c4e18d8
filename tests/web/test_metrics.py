"""``GET /metrics``: what a monitoring system reads there, and that labels stay few whatever plugins are called."""

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed

from cadence.config import Settings
from cadence.model import (
    HealthReport,
    InstallKind,
    InstallRecord,
    InstallState,
    Metadata,
    PluginRef,
    Stage,
    StageRecord,
    TrialReport,
    VersionRecord,
)
from cadence.parts import Parts
from cadence.runtime.slot import LivePlugin, LiveStatus
from cadence.runtime.tally import BUCKET_SECONDS, CallTally, Outcome
from cadence.storage.database import utc_now
from cadence.storage.index import Index
from cadence.web.exposition import Exposition
from tests.runtime.house import House, eventually
from tests.server.process import ROOT, environment

PER_PLUGIN = {
    "cadence_calls": "counter",
    "cadence_call_errors": "counter",
    "cadence_call_duration_seconds": "histogram",
    "cadence_worker_restarts": "counter",
    "cadence_worker_memory_bytes": "gauge",
}
FAMILIES = PER_PLUGIN | {
    "cadence_build_info": "gauge",  # the older format knows no info
    "cadence_generation": "gauge",
    "cadence_plugins": "gauge",
    "cadence_workers": "gauge",
    "cadence_installs": "counter",
    "cadence_rollbacks": "counter",
    "cadence_plugin_events": "counter",
    "process_virtual_memory_bytes": "gauge",
    "process_resident_memory_bytes": "gauge",
    "process_start_time_seconds": "gauge",
    "process_cpu_seconds": "counter",
    "process_open_fds": "gauge",
    "process_max_fds": "gauge",
}


class Live:
    """A live set with these plugins."""

    def __init__(self, *plugins: LivePlugin, memory: Mapping[str, int] | None = None) -> None:
        self._plugins = list(plugins)
        self._memory = dict(memory or {})

    def plugins(self) -> list[LivePlugin]:
        return self._plugins

    def memory_bytes(self) -> dict[str, int]:
        return self._memory


def plugin(
    name: str,
    calls: Iterable[tuple[float, Outcome]] = (),
    status: LiveStatus = "asleep",
    restarts: int = 0,
    pid: int | None = None,
) -> LivePlugin:
    tally = CallTally()
    for seconds, outcome in calls:
        tally.record(seconds, outcome)
    health = HealthReport(healthy=True)
    report = TrialReport(Metadata(name=name, version="1.0.0", description=""), (), True, health)
    record = VersionRecord(PluginRef(name, "1.0.0"), "i1", "00", 5, utc_now(), "upload", True, report)
    return LivePlugin(
        record=record, status=status, report=report, health=health, tally=tally.view(), restarts=restarts, pid=pid
    )


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.open(tmp_path / "index.db") as index:
        yield index


class Scrape:
    """One answer, as a monitoring system reads it."""

    def __init__(self, text: str, *, openmetrics: bool = False) -> None:
        families: Iterable[Metric] = (parsed_openmetrics if openmetrics else parsed)(text)
        self.families = {family.name: family for family in families}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        (found,) = (one.value for one in self.samples if one.name == name and one.labels == labels)
        return float(found)

    def labels(self, name: str) -> list[dict[str, str]]:
        return [one.labels for one in self.samples if one.name == name]


def scraped(index: Index, live: Live | None, most: int = 200) -> Scrape:
    return Scrape(text_of(Exposition(lambda: live, index, utc_now(), most, "1.0")))


def text_of(exposition: Exposition) -> str:
    body, _ = exposition.render("")
    return body.decode()


def get(client: FlaskClient, **headers: str) -> Scrape:
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200, response.text
    return Scrape(response.text, openmetrics=response.content_type.startswith("application/openmetrics-text"))


def test_every_family_has_the_name_and_the_type_it_should_have(index: Index) -> None:
    live = Live(plugin("a", [(0.001, Outcome.OK)]), memory={"a": 5})
    assert {family.name: family.type for family in scraped(index, live).families.values()} == FAMILIES


def test_every_family_says_what_it_is(index: Index) -> None:
    live = Live(plugin("a"), memory={"a": 5})
    families = scraped(index, live).families.values()
    assert [family.name for family in families if not family.documentation.endswith(".")] == []


def test_where_no_runtime_runs_there_are_no_plugins_and_none_is_started(client: FlaskClient, parts: Parts) -> None:
    before = psutil.Process().children(recursive=True)
    scrape = get(client)
    assert parts.running is None
    assert set(psutil.Process().children(recursive=True)) <= set(before)
    assert scrape.value("cadence_workers") == 0
    assert scrape.labels("cadence_calls_total") == []


def test_calls_are_told_by_plugin_and_outcome(index: Index) -> None:
    outcomes = [Outcome.OK, Outcome.OK, Outcome.ERROR, Outcome.INVALID]
    calls = [(0.001, outcome) for outcome in outcomes]
    scrape = scraped(index, Live(plugin("a", calls), plugin("b", [(0.001, Outcome.TIMEOUT)])))
    assert scrape.value("cadence_calls_total", plugin="a", outcome="ok") == 2
    assert scrape.value("cadence_calls_total", plugin="a", outcome="error") == 1
    assert scrape.value("cadence_calls_total", plugin="b", outcome="ok") == 0
    assert scrape.value("cadence_call_errors_total", plugin="a") == 1
    assert len(scrape.labels("cadence_calls_total")) == 2 * len(Outcome)


def test_the_histogram_adds_up(index: Index) -> None:
    times = [0.00005, 0.0001, 0.003, 0.003, 2.0, 40.0]
    scrape = scraped(index, Live(plugin("a", [(seconds, Outcome.OK) for seconds in times])))
    name = "cadence_call_duration_seconds"
    buckets = [one for one in scrape.samples if one.name == f"{name}_bucket"]
    assert [one.labels["le"] for one in buckets] == [*map(str, BUCKET_SECONDS), "+Inf"]
    assert [one.value for one in buckets] == [sum(t <= float(one.labels["le"]) for t in times) for one in buckets]
    assert scrape.value(f"{name}_count", plugin="a") == len(times)
    assert scrape.value(f"{name}_sum", plugin="a") == pytest.approx(sum(times))


def test_plugins_are_counted_by_how_they_stand_and_workers_where_they_run(index: Index) -> None:
    statuses: tuple[LiveStatus, ...] = ("live", "live", "degraded", "asleep", "failed")
    plugins = [plugin(f"p{n}", status=one, pid=n if n < 3 else None) for n, one in enumerate(statuses)]
    scrape = scraped(index, Live(*plugins, memory={"p0": 100, "p1": 20, "p2": 3}))
    told = {labels["status"]: scrape.value("cadence_plugins", **labels) for labels in scrape.labels("cadence_plugins")}
    assert told == {
        **{"live": 2, "degraded": 1, "starting": 0, "asleep": 1, "failed": 1},
        **{"disabled": 0, "quarantined": 0, "stopped": 0},
    }
    assert scrape.value("cadence_workers") == 3
    assert scrape.value("cadence_worker_memory_bytes", plugin="p0") == 100


def test_restarts_are_told_by_plugin(index: Index) -> None:
    scrape = scraped(index, Live(plugin("a", restarts=3), plugin("b", [(0.001, Outcome.OK)])))
    assert scrape.value("cadence_worker_restarts_total", plugin="a") == 3
    assert scrape.value("cadence_worker_restarts_total", plugin="b") == 0


def test_plugins_that_nobody_called_take_no_room(index: Index) -> None:
    text = text_of(Exposition(lambda: Live(*(plugin(f"p{n}") for n in range(1000))), index, utc_now(), 200, "1.0"))
    assert 'plugin="' not in text
    assert Scrape(text).value("cadence_plugins", status="asleep") == 1000


HOSTILE = (
    'a"b',
    "a\\",
    "a\nb 1",
    "}",
    "{x=1}",
    "# HELP",
    "other",
    "\u00fcn\u00ef",
    "\U0001d52d",
    " ",
    "\u202e",
    "a" * 240,
)


def test_a_thousand_plugins_of_whatever_names_make_a_bounded_number_of_labels(index: Index) -> None:
    names = [*HOSTILE, *(f'p{n}"}} 1\n{{' for n in range(1000 - len(HOSTILE)))]
    plugins = [plugin(name, [(0.01, Outcome.OK)] * (1 + n % 3)) for n, name in enumerate(names)]
    scrape = scraped(index, Live(*plugins, memory=dict.fromkeys(names, 7)), most=20)
    assert scrape.families.keys() == FAMILIES.keys()
    for family in PER_PLUGIN:
        labels = {one.labels["plugin"] for one in scrape.families[family].samples}
        assert len(labels) == 21
        assert labels - {"other"} <= set(names)
    assert sum(one.value for one in scrape.families["cadence_calls"].samples) == sum(1 + n % 3 for n in range(1000))
    assert sum(one.value for one in scrape.families["cadence_worker_memory_bytes"].samples) == 7000


def test_hostile_names_come_through_as_they_are(index: Index) -> None:
    scrape = scraped(index, Live(*(plugin(name, [(0.01, Outcome.OK)]) for name in HOSTILE)))
    labels = {one.labels["plugin"] for one in scrape.families["cadence_call_errors"].samples}
    assert labels == set(HOSTILE)


def test_no_other_label_has_a_value_from_outside(index: Index) -> None:
    record = InstallRecord(
        id="1", filename='x"}.zip', state=InstallState.RUNNING, created_at=utc_now(), name="evil", version="6.6.6"
    )
    exposition = Exposition(lambda: Live(plugin("evil")), index, "2000", 200, "1.0")
    index.start_install(record, "owner")
    index.finish_install("1", InstallState.FAILED, 422, {}, (StageRecord(Stage.INSPECT, 1.0),))
    text = text_of(exposition)
    assert "6.6.6" not in text
    assert "x\\" not in text
    for sample in Scrape(text).samples:
        assert sample.labels.keys() <= {
            *("plugin", "outcome", "le", "status", "kind", "stage", "cause", "version", "python")
        }


def test_installs_are_told_by_kind_outcome_and_stage(index: Index) -> None:
    exposition = Exposition(lambda: None, index, utc_now(), 200, "1.0")
    for id, kind, stage, state in (
        ("1", InstallKind.INSTALL, Stage.ACTIVATE, InstallState.SUCCEEDED),
        ("2", InstallKind.INSTALL, Stage.TRIAL, InstallState.FAILED),
        ("3", InstallKind.CHECK, Stage.TRIAL, InstallState.SUCCEEDED),
        ("4", InstallKind.INSTALL, Stage.TRIAL, InstallState.FAILED),
    ):
        record = InstallRecord(id=id, filename="x.zip", state=InstallState.RUNNING, created_at=utc_now(), kind=kind)
        index.start_install(record, "owner")
        index.finish_install(id, state, 200, {}, (StageRecord(Stage.RECEIVE, 1.0), StageRecord(stage, 1.0)))
    scrape = Scrape(text_of(exposition))
    name = "cadence_installs_total"
    assert scrape.value(name, kind="install", outcome="succeeded", stage="activate") == 1
    assert scrape.value(name, kind="install", outcome="failed", stage="trial") == 2
    assert scrape.value(name, kind="check", outcome="succeeded", stage="trial") == 1
    assert scrape.value(name, kind="install", outcome="interrupted", stage="none") == 0
    assert sum(one.value for one in scrape.samples if one.name == name) == 4


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text; version=one", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text; version=9.9.9; escaping=x", "application/openmetrics-text; version=9.9.9"),
        ("application/openmetrics-text; version=1..", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain; version=\xff", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=;escaping=", "text/plain; version=0.0.4; charset=utf-8"),
        (";;;,,,=;version==1", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_format_is_the_one_that_was_asked_for(client: FlaskClient, accept: str, expected: str) -> None:
    response = client.get("/metrics", headers={"Accept": accept})
    assert response.content_type.startswith(expected)
    assert response.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in response.headers


def test_openmetrics_are_what_its_own_strict_parser_takes(client: FlaskClient, parts: Parts) -> None:
    House(parts).install(plugin_tools())
    scrape = get(client, Accept="application/openmetrics-text; version=1.0.0")
    assert scrape.families["cadence_build"].type == "info"
    assert scrape.value("cadence_workers") == 1


def test_only_this_machine_may_read_it(app: Flask) -> None:
    response = app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": "10.0.0.1"})
    assert response.status_code == 403


def test_a_process_that_is_never_asked_does_not_load_what_it_takes(tmp_path: Path) -> None:
    code = "import sys\nfrom cadence import create_app\ncreate_app()\nprint('prometheus_client' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(tmp_path / "instance"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def plugin_tools() -> str:
    return """
    import os
    from cadence_sdk import tool

    @tool
    def add(a: int, b: int) -> int:
        "Add two numbers."
        return a + b

    @tool
    def end() -> None:
        "End the process."
        os._exit(3)

    TOOLS = [add, end]
    """


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Nothing is taken back for a crash."""
    return Settings(instance=tmp_path / "instance", probation_crashes=10**6)


def test_the_metrics_of_a_real_server_tell_what_happened_to_it(client: FlaskClient, parts: Parts) -> None:
    house = House(parts)
    get(client)
    house.install(plugin_tools())
    house.call("add", a=2, b=3)
    with pytest.raises(Exception, match="exit code 3"):
        house.call("end")
    eventually(lambda: house.live().pid)
    house.call("add", a=2, b=3)
    scrape = get(client)
    assert scrape.value("cadence_calls_total", plugin="demo_plugin", outcome="ok") == 2
    assert scrape.value("cadence_calls_total", plugin="demo_plugin", outcome="worker_ended") == 1
    assert scrape.value("cadence_call_duration_seconds_count", plugin="demo_plugin") == 3
    assert scrape.value("cadence_worker_restarts_total", plugin="demo_plugin") == 1
    assert scrape.value("cadence_worker_memory_bytes", plugin="demo_plugin") > 0
    assert scrape.value("cadence_workers") == 1
    assert scrape.value("cadence_plugins", status="live") == 1
    assert scrape.value("cadence_generation") == parts.index.generation()
    assert scrape.value("cadence_installs_total", kind="install", outcome="succeeded", stage="activate") == 1
    (build,) = scrape.labels("cadence_build_info")
    assert build["version"] == parts.version
