"""``flask plugins environments``: what is there, what it takes, who needs it, and what is removed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from cadence.config import Settings
from cadence.dependencies.command import Output, Uv
from cadence.dependencies.environment import Environments
from cadence.dependencies.lock import Lock, Package
from cadence.model import PluginRef
from cadence.storage.index import Index
from tests.cli.conftest import Run
from tests.storage.house import record_of


class Packed(Uv):
    """Puts a megabyte in place of each package."""

    def run(self, *arguments: str, stdin: str, packages: int = 0) -> Output:
        target = next(Path(one.removeprefix("--target=")) for one in arguments if one.startswith("--target="))
        for line in stdin.splitlines():
            name, _, version = line.partition(" ")[0].partition("==")
            (target / f"{name}-{version}.dist-info").mkdir(parents=True)
            (target / f"{name}-{version}.dist-info" / "data").write_bytes(b"x" * 1024**2)
        return Output(0, "", "")


@pytest.fixture
def index(settings: Settings) -> Iterator[Index]:
    settings.instance.mkdir()
    with Index.open(settings.instance / "index.db") as index:
        yield index


def make(settings: Settings, *names: str, isolated: bool = False) -> str:
    """An environment of these packages; its key."""
    packages = tuple(Package(name, "1.0", ("sha256:" + "0" * 64,), name) for name in names)
    lock = Lock(packages, ("math needs pydantic<2.",) if isolated else ())
    lease = Environments(settings.instance / "environments").ensure(lock, Packed(idle_seconds=1))
    assert lease is not None
    lease.close()
    return lease.path.name


def publish(index: Index, name: str, version: str, environment: str, *, isolated: bool = False) -> None:
    ref = PluginRef(name, version)
    record = structs.replace(record_of(ref, environment=environment), isolated=isolated)
    index.commit_version(record)
    index.mark_published(ref, "i1")


def test_without_any_it_says_so(run: Run) -> None:
    result = run("environments")
    assert (result.exit_code, result.stdout) == (
        0,
        "There is no environment: no installed plugin brings packages of its own.\n",
    )
    assert json.loads(run("environments", "--json").stdout) == []
    assert run("environments", "--collect").exit_code == 0


def test_size_kind_users_and_packages_are_shown_and_the_total(run: Run, settings: Settings, index: Index) -> None:
    shared = make(settings, "alpha", "beta", "delta", "gamma", "omega")
    isolated = make(settings, "pydantic", "rho", isolated=True)
    unused = make(settings, "sigma")
    publish(index, "math", "1.0.0", shared)
    publish(index, "search", "2.0.0", shared)
    publish(index, "old", "0.1", isolated, isolated=True)
    result = run("environments")
    assert result.exit_code == 0
    heading, *rows, total, left_over = result.stdout.splitlines()
    assert heading.split() == ["ENVIRONMENT", "SIZE", "KIND", "USED", "BY", "PACKAGES"]
    assert [row.split(maxsplit=4)[:2] + row.split(maxsplit=4)[3:] for row in rows] == [
        [shared[:12], "5.0", "shared", "math-1.0.0, search-2.0.0  alpha==1.0, beta==1.0, delta==1.0 and 2 more"],
        [isolated[:12], "2.0", "isolated", "old-0.1                   pydantic==1.0, rho==1.0"],
        [unused[:12], "1.0", "-", "unused                    sigma==1.0"],
    ]
    assert total.startswith("3 environments, 8.")
    assert left_over.startswith("1 of them unused (1.0 MiB);")
    assert "--collect" in left_over


def test_json_has_every_value(run: Run, settings: Settings, index: Index) -> None:
    key, unused = make(settings, "alpha"), make(settings, "beta")
    publish(index, "math", "1.0.0", key)
    rows = {row["key"]: row for row in json.loads(run("environments", "--json").stdout)}
    assert rows[key]["packages"] == ["alpha==1.0"]
    assert rows[key]["used_by"] == ["math-1.0.0"]
    assert rows[key]["size_bytes"] >= 1024**2
    assert (rows[key]["isolated"], rows[unused]["isolated"]) == (False, None)
    assert rows[key]["made_at"].endswith("+00:00")
    assert rows[unused]["used_by"] == []


def test_collecting_removes_what_no_version_needs_and_nobody_has(run: Run, settings: Settings, index: Index) -> None:
    needed, leased = make(settings, "alpha"), make(settings, "gamma")
    make(settings, "beta")
    publish(index, "math", "1.0.0", needed)
    environments = Environments(settings.instance / "environments")
    lease = environments.lease(environments.path(leased))
    result = run("environments", "--collect")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "Removed 1 environment that no version needs: 1.0 MiB."
    assert environments.keys() == {needed, leased}
    lease.close()
    rows = json.loads(run("environments", "--collect", "--json").stdout)
    assert [row["key"] for row in rows] == [needed]
