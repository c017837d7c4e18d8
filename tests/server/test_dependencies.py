"""What plugins require, end to end: over HTTP, in servers of their own, with real workers and the configured index."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests
from packaging.requirements import Requirement

from tests.building import archive_bytes, plugin_files
from tests.dependencies.shelf import Shelf, SilentIndex, damage
from tests.processes import folder_of, is_over
from tests.server.process import Server, await_true, free_port, serving

WHICH = """
    from cadence_sdk import tool
    from {module} import {attribute} as found

    @tool
    def which() -> str:
        "Say which version this plugin has."
        return str(found)

    TOOLS = [which]
"""
#: Where a package says its version.
ATTRIBUTES = {"numpy": "__version__", "pydantic": "VERSION", "langchain_core.version": "VERSION", "alpha": "version"}


def plugin(
    name: str, *requirements: str, module: str = "alpha", version: str = "1.0.0", wheels: tuple[Path, ...] = ()
) -> bytes:
    """A plugin that tells which version of a module it has imported."""
    tools = WHICH.format(module=module, attribute=ATTRIBUTES[module])
    files = plugin_files(name, version, tools=tools, dependencies=requirements)
    return archive_bytes({**files, **{f"wheels/{wheel.name}": wheel.read_bytes() for wheel in wheels}})


def upload(
    server: Server, name: str, *requirements: str, module: str = "alpha", version: str = "1.0.0"
) -> requests.Response:
    return server.upload(plugin(name, *requirements, module=module, version=version), f"{name}-{version}.zip")


def details(answer: requests.Response) -> dict[str, object]:
    assert answer.status_code == 201, answer.text
    found = answer.json()["details"]
    assert isinstance(found, dict)
    return found


def refused(answer: requests.Response) -> str:
    """The words of a refusal of the dependencies stage, as one."""
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert body["success"] is False
    assert body["message"] == "Dependency installation failed"
    return body["details"] if isinstance(body["details"], str) else "; ".join(body["details"])


def which(server: Server, name: str) -> str:
    answer = server.call(name, "which")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["result"])


def left(server: Server) -> list[str]:
    """The environments, whole and begun, and everything in the staging folders."""
    environments = (server.instance / "environments").glob("*")
    staged = [path for place in ("store_plugin", "store_archived") for path in (server.instance / place).glob(".*/*")]
    kept = [path.name for path in environments if path.name != ".locks"]
    return sorted(kept + [path.name for path in staged if path.is_file() or any(path.iterdir())])


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the index that this machine is configured for."""
    with serving(tmp_path_factory.mktemp("online") / "instance") as server:
        yield server


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def server(shelf: Shelf, tmp_path: Path) -> Iterator[Server]:
    """A server whose only packages are those on the shelf."""
    with serving(tmp_path / "instance", **from_shelf(shelf)) as server:
        yield server


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[SilentIndex]:
    index = SilentIndex(tmp_path / "cache")
    yield index
    index.close()


def from_shelf(shelf: Shelf) -> dict[str, str]:
    """uv's own settings, as an operator has them, for the shelf as the only source of packages."""
    config = shelf.folder.parent / "uv.toml"
    config.write_text(f"no-index = true\nfind-links = [{str(shelf.folder)!r}]\n")
    return {"UV_CONFIG_FILE": str(config), "UV_CACHE_DIR": str(shelf.folder.parent / "cache")}


def from_index(address: str, cache: Path) -> dict[str, str]:
    return {"UV_DEFAULT_INDEX": address, "UV_CACHE_DIR": str(cache)}


def test_two_plugins_have_different_versions_of_numpy_at_once(online: Server) -> None:
    details(upload(online, "older_numpy", "numpy>=1.26,<2", module="numpy"))
    details(upload(online, "newer_numpy", "numpy>=2", module="numpy"))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda name: which(online, name), ["older_numpy", "newer_numpy"] * 10))
    assert {answer.partition(".")[0] for answer in answers[::2]} == {"1"}
    assert {answer.partition(".")[0] for answer in answers[1::2]} == {"2"}


def test_the_example_of_the_specification_is_installed_as_it_says(online: Server) -> None:
    told = details(upload(online, "numeric", "numpy>=1.20.0", module="numpy"))
    assert told["dependencies_installed"] == ["numpy>=1.20.0"]
    assert told["validation"] == "passed"
    assert which(online, "numeric")


@pytest.mark.parametrize(
    ("module", "requirement"), [("pydantic", "pydantic<2.10"), ("langchain_core.version", "langchain-core<1")]
)
def test_a_plugin_that_needs_older_versions_than_the_workers_have_is_live_and_the_others_are_forked(
    online: Server, module: str, requirement: str
) -> None:
    kind = module.partition(".")[0].partition("_")[0]
    shared, isolated = f"has_{kind}", f"needs_old_{kind}"
    details(upload(online, isolated, requirement, module=module))
    details(upload(online, shared, module=module))
    wanted = Requirement(requirement).specifier
    assert wanted.contains(which(online, isolated))
    assert not wanted.contains(which(online, shared))
    parents = {name: worker(online, name).ppid() for name in (shared, isolated)}
    assert parents[shared] != parents[isolated]
    others = [name for name in live(online) if not name.startswith("needs_old_")]
    assert {worker(online, name).ppid() for name in others} == {parents[shared]}


def live(server: Server) -> list[str]:
    plugins = server.get("/plugins").json()["plugins"]
    assert {one["status"] for one in plugins} == {"live"}
    return [one["name"] for one in plugins]


def worker(server: Server, name: str) -> psutil.Process:
    """The process that runs a plugin: its working directory is the plugin's data directory."""
    (found,) = [one for one in server.family() if folder_of(one) == str(server.instance / "data" / name)]
    return found


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("alpha>=99", "there is no such version"),
        ("nowhere", "nowhere"),
        ("elsewhere", "no wheel"),
        ("damaged", "damaged"),
    ],
)
def test_what_cannot_be_installed_is_refused_in_words_and_the_version_before_goes_on(
    server: Server, shelf: Shelf, requirement: str, reason: str
) -> None:
    shelf.wheel("alpha")
    shelf.wheel("elsewhere", tag="cp311-cp311-win_amd64")
    damage(shelf.wheel("damaged"))
    details(upload(server, "demo", "alpha"))
    before = left(server)
    words = refused(upload(server, "demo", "alpha", requirement, version="1.1.0"))
    assert words.startswith(f"Failed to install: {requirement}: ")
    assert reason in words
    assert str(shelf.folder) not in words
    assert left(server) == before
    assert which(server, "demo") == "1.0"
    assert [one["version"] for one in server.get("/plugins/uploaded").json()["plugins"]] == ["1.0.0"]


def test_an_index_that_does_not_answer_is_told_without_its_address(silent: SilentIndex, tmp_path: Path) -> None:
    address = f"http://reader:secret@127.0.0.1:{free_port()}/simple"
    with serving(tmp_path / "instance", UV_HTTP_RETRIES="0", **from_index(address, tmp_path / "cache")) as server:
        words = refused(upload(server, "demo", "alpha"))
        assert words.startswith("Failed to install: alpha: The package index does not answer")
        (install,) = server.get("/installs").json()["installs"]
        log = server.get(f"/installs/{install['id']}/log").text
        assert not any(secret in words + log + server.output for secret in ("secret", "127.0.0.1", "reader"))
        assert left(server) == []


def test_without_a_network_a_plugin_with_its_wheels_is_installed_and_one_without_is_told_what_is_missing(
    shelf: Shelf, tmp_path: Path
) -> None:
    beta = shelf.wheel("beta", "2.0")
    alpha = shelf.wheel("alpha", "1.0", requires=["beta>=2"])
    settings = {"CADENCE_OFFLINE": "true"} | from_index(f"http://127.0.0.1:{free_port()}/simple", tmp_path / "cache")
    with serving(tmp_path / "instance", **settings) as server:
        whole = plugin("whole", "alpha", wheels=(alpha, beta))
        details(server.upload(whole, "whole-1.0.0.zip"))
        assert which(server, "whole") == "1.0"
        words = refused(server.upload(plugin("part", "alpha", wheels=(alpha,)), "part-1.0.0.zip"))
        assert "beta>=2" in words
        assert "beta-" in words
        assert ".whl" in words
        words = refused(upload(server, "none", "alpha", "gamma>=3"))
        assert "Failed to install: alpha: " in words
        assert "Failed to install: gamma>=3: " in words


def test_the_operators_wheelhouse_is_enough_without_a_network(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("alpha", "1.0")
    settings = {"CADENCE_OFFLINE": "true", "CADENCE_WHEELHOUSE": str(shelf.folder)}
    address = f"http://127.0.0.1:{free_port()}/simple"
    with serving(tmp_path / "instance", **settings, **from_index(address, tmp_path / "cache")) as server:
        details(upload(server, "demo", "alpha"))
        assert which(server, "demo") == "1.0"


def test_two_uploads_with_the_same_new_lock_at_once_install_it_once(server: Server, shelf: Shelf) -> None:
    shelf.wheel("alpha")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda name: upload(server, name, "alpha"), ["one", "two"]))
    ids = [details(answer)["install_id"] for answer in answers]
    logs = [server.get(f"/installs/{id_}/log").json()["lines"] for id_ in ids]
    assert sum("Installed" in line["text"] for log in logs for line in log) == 1
    assert len(left(server)) == 1


def test_a_server_killed_while_it_installs_leaves_nothing_that_is_taken_for_whole(
    shelf: Shelf, silent: SilentIndex, tmp_path: Path
) -> None:
    instance = tmp_path / "instance"
    assert silent.options.index is not None
    with (
        serving(instance, **from_index(silent.options.index, tmp_path / "other")) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        pending = pool.submit(upload, server, "demo", "alpha")
        silent.await_reader()
        processes = [*server.family(), psutil.Process(server.process.pid)]
        for process in processes:
            process.send_signal(signal.SIGKILL)
        await_true(lambda: all(map(is_over, processes)), "the end of all processes")
        with pytest.raises(requests.RequestException):
            pending.result()
    shelf.wheel("alpha")
    with serving(instance, **from_shelf(shelf)) as server:
        await_true(lambda: left(server) == [], "the removal of what was left")
        details(upload(server, "demo", "alpha"))
        assert which(server, "demo") == "1.0"


def test_the_same_archive_gets_the_same_lock_until_an_upgrade_is_asked_for(server: Server, shelf: Shelf) -> None:
    shelf.wheel("alpha", "1.0")
    details(upload(server, "demo", "alpha"))
    first = server.get("/plugins/uploaded/demo/1.0.0/lock").text
    shelf.wheel("alpha", "2.0")
    archive = plugin("demo", "alpha")
    assert server.upload(archive, "demo-1.0.0.zip", force_overwrite="true").status_code == 200
    assert server.get("/plugins/uploaded/demo/1.0.0/lock").text == first
    assert which(server, "demo") == "1.0"
    again = server.upload(archive, "demo-1.0.0.zip", force_overwrite="true", upgrade="true")
    assert again.status_code == 200
    assert "alpha==2.0 --hash=sha256:" in server.get("/plugins/uploaded/demo/1.0.0/lock").text
    assert which(server, "demo") == "2.0"
    await_true(lambda: len(left(server)) == 1, "the collection of the environment before")


def test_an_earlier_version_keeps_its_own_environment(server: Server, shelf: Shelf) -> None:
    shelf.wheel("alpha", "1.0")
    shelf.wheel("alpha", "2.0")
    details(upload(server, "demo", "alpha<2", version="1.0.0"))
    details(upload(server, "demo", "alpha>=2", version="2.0.0"))
    assert which(server, "demo") == "2.0"
    assert server.delete("/plugins/uploaded/demo/2.0.0").json()["active_version"] == "1.0.0"
    assert which(server, "demo") == "1.0"
    assert server.post("/plugins/deleted/demo/2.0.0/restore").ok
    assert which(server, "demo") == "2.0"


def test_a_cancelled_install_leaves_nothing_and_the_server_works_on(silent: SilentIndex, tmp_path: Path) -> None:
    assert silent.options.index is not None
    settings = from_index(silent.options.index, tmp_path / "cache")
    with serving(tmp_path / "instance", **settings) as server, ThreadPoolExecutor(1) as pool:
        pending = pool.submit(upload, server, "demo", "alpha")
        silent.await_reader()
        (install,) = server.get("/installs").json()["installs"]
        assert server.delete(f"/installs/{install['id']}").status_code == 200
        assert pending.result().status_code == 409
        assert server.get(f"/installs/{install['id']}").json()["install"]["state"] == "cancelled"
        assert left(server) == []
        assert not [one for one in server.family() if one.name() == "uv"]
