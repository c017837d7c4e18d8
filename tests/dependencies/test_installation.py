"""Requirements become an environment, and whatever goes wrong on the way is told in words."""

import hashlib
import importlib.metadata
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cadence.dependencies.building import Workbench
from cadence.dependencies.command import IndexOptions
from cadence.dependencies.explanation import HERE
from cadence.dependencies.host import modules, preloaded
from cadence.dependencies.installation import Dependencies, Order, Provided
from cadence.errors import Cancelled
from cadence.progress import Progress
from tests.dependencies.backends import acting
from tests.dependencies.planning import HOST, House, Memory
from tests.dependencies.shelf import Shelf, SilentIndex, damage
from tests.dependencies.web_index import WebIndex

WHEEL = "alpha-1.0-py3-none-any.whl"


def test_requirements_become_an_environment_and_are_told_as_they_were_written(shelf: Shelf, house: House) -> None:
    shelf.wheel("alpha")
    planned = house.plan("alpha >= 1.0", "cadence_sdk>=1.3.1,<2.0.0", "other; python_version < '3'")
    provided = house.provide(planned)
    assert provided.key is not None
    assert provided.path == house.environments.path(provided.key)
    assert not provided.isolated
    assert planned.installed == ("alpha >= 1.0",)
    assert planned.lock.text.startswith("alpha==1.0 --hash=sha256:")


def test_what_every_worker_has_needs_no_environment(house: House) -> None:
    planned = house.plan("pydantic>=2")
    assert house.provide(planned) == Provided(planned)
    assert planned.installed == ("pydantic>=2",)


def test_an_environment_that_was_removed_since_the_plan_is_made_again(shelf: Shelf, house: House) -> None:
    shelf.wheel("alpha")
    house.provide(house.plan("alpha"))
    planned = house.plan("alpha")
    house.environments.collect(set)
    provided = house.provide(planned)
    assert provided.path is not None
    assert (provided.path / "alpha" / "__init__.py").is_file()


def test_numpy_from_the_configured_index_is_installed_and_works(house: House) -> None:
    planned = house.plan("numpy>=1.20.0", options=IndexOptions())
    provided = house.provide(planned, options=IndexOptions())
    program = f"import sys; sys.path.insert(0, {str(provided.path)!r}); import numpy; "
    program += "print(numpy.ones(3).sum(), numpy.__file__)"
    printed = subprocess.check_output([sys.executable, "-I", "-c", program], text=True)
    assert printed.startswith(f"3.0 {provided.path}")
    assert planned.installed == ("numpy>=1.20.0",)


def test_a_resolution_can_be_cancelled(silent: SilentIndex, house: House) -> None:
    progress = Progress(0.0)
    dependencies = Dependencies(house.environments, Memory(), idle_seconds=60, options=silent.options, constraints=HOST)
    with ThreadPoolExecutor() as pool:
        resolution = pool.submit(dependencies.plan, Order(("alpha",)), progress)
        silent.await_reader()
        progress.cancelled.set()
        with pytest.raises(Cancelled):
            resolution.result()


def test_an_index_that_misbehaves_in_no_way_is_installed_from(shelf: Shelf, house: House, web: WebIndex) -> None:
    shelf.wheel("alpha")
    provided = house.provide(house.plan("alpha", options=web.options), options=web.options)
    assert provided.path is not None
    assert (provided.path / "alpha").is_dir()


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "index_refused", "The package index refuses to answer this server (401 Unauthorized)"),
        (403, "index_refused", "The package index refuses to answer this server (403 Forbidden)"),
        (429, "index_unreachable", "The package index answers with an error (429 Too Many Requests)"),
        (500, "index_unreachable", "The package index answers with an error (500 Internal Server Error)"),
        (503, "index_unreachable", "The package index answers with an error (503 Service Unavailable)"),
    ],
)
def test_an_index_that_answers_with_an_error_is_told_by_it(
    shelf: Shelf, house: House, web: WebIndex, status: int, code: str, words: str
) -> None:
    shelf.wheel("alpha")
    web.status = status
    (fault,) = house.fails("alpha>=1", options=web.options)
    assert (fault.code, fault.culprit) == (code, "alpha>=1")
    assert fault.message.startswith(words)
    assert_silent_about(web.host, house, fault.message)


def test_an_index_that_takes_other_credentials_refuses(shelf: Shelf, house: House, web: WebIndex) -> None:
    shelf.wheel("alpha")
    web.password = "another"
    (fault,) = house.fails("alpha", options=web.options)
    assert fault.code == "index_refused"
    assert_silent_about(web.host, house, fault.message)


def misplace(web: WebIndex) -> None:
    """Tell of a file that is not there, as mirrors do at times."""
    page = web.page("alpha")
    (web.folder / WHEEL).unlink()
    web.page = lambda name: page  # type: ignore[method-assign]  # this one index is to lie


@pytest.mark.parametrize(
    ("misbehave", "code", "message"),
    [
        (
            lambda web: web.wrong.update({WHEEL: "0" * 64}),
            "hash_mismatch",
            "The file of alpha 1.0 is not the one that was resolved: its hash differs.",
        ),
        (
            lambda web: web.truncated.add(WHEEL),
            "index_unreachable",
            "The package index broke off while it sent alpha 1.0; try again later.",
        ),
        (
            lambda web: damage(web.folder / WHEEL),
            "broken_wheel",
            "The wheel of alpha 1.0 is damaged and cannot be unpacked.",
        ),
        (misplace, "index_unreachable", "The package index answers with an error (404 Not Found); try again later."),
    ],
    ids=["wrong hash", "truncated", "damaged", "missing"],
)
def test_a_file_that_is_not_what_it_should_be_is_told(
    shelf: Shelf, house: House, web: WebIndex, misbehave: Callable[[WebIndex], None], code: str, message: str
) -> None:
    shelf.wheel("alpha")
    misbehave(web)
    (fault,) = house.fails("alpha", options=web.options)
    assert (fault.code, fault.culprit, fault.message) == (code, "alpha", message)
    assert_silent_about(web.host, house, fault.message)


def test_an_index_that_is_not_there_is_told(house: House, silent: SilentIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    silent.close()
    (fault,) = house.fails("alpha", options=silent.options)
    assert fault.code == "index_unreachable"
    assert fault.message == "The package index does not answer (connection refused); try again later."
    assert_silent_about("127.0.0.1", house, fault.message)


def test_an_index_whose_name_nobody_knows_is_told(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "*")
    options = IndexOptions(index="http://reader:secret@nowhere.invalid/simple", cache=tmp_path / "empty")
    (fault,) = house.fails("alpha", options=options)
    assert fault.code == "index_unreachable"
    assert fault.message == "The package index does not answer (its name is not known); try again later."
    assert_silent_about("nowhere.invalid", house, fault.message)


@pytest.fixture
def plain(web: WebIndex) -> IndexOptions:
    """An index that speaks HTTP where TLS is asked for."""
    return IndexOptions(index=f"https://reader:secret@{web.host}/simple", cache=web.options.cache)


@pytest.fixture
def untrusted(web: WebIndex, tmp_path: Path) -> Iterator[IndexOptions]:
    """An index whose certificate nobody signed."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secured = WebIndex(web.folder, tmp_path / "secured-cache", context)
    yield secured.options
    secured.close()


@pytest.mark.parametrize("kind", ["plain", "untrusted"])
def test_an_index_that_cannot_be_reached_securely_is_told(
    house: House, kind: str, request: pytest.FixtureRequest
) -> None:
    (fault,) = house.fails("alpha", options=request.getfixturevalue(kind))
    assert fault.code == "index_unreachable"
    assert fault.message.startswith("The package index cannot be reached securely: ")
    assert_silent_about("127.0.0.1", house, fault.message)


def assert_silent_about(host: str, house: House, message: str) -> None:
    for secret in (host, "reader", "secret", "://"):
        assert secret not in message
        assert secret not in house.log


def test_what_is_preloaded_is_the_sdk_and_all_it_needs() -> None:
    pinned = dict(line.split("==") for line in preloaded())
    assert {"cadence-sdk", "langchain-core", "pydantic", "pydantic-core", "msgspec"} <= set(pinned)
    assert pinned["pydantic"] == importlib.metadata.version("pydantic")
    assert not {"flask", "cadence", "numpy"} & set(pinned)


def test_the_modules_of_what_is_preloaded_are_known() -> None:
    assert modules()["yaml"] == "pyyaml"
    assert modules()["cadence_sdk"] == "cadence-sdk"


@contextmanager
def unconfined(order: Order) -> Iterator[Workbench]:
    """A workbench without the sandbox: what is built in these tests is known."""
    with TemporaryDirectory() as cache:
        yield Workbench(sys.executable, Path(cache))


def test_what_has_no_wheel_is_built_where_that_is_allowed(shelf: Shelf, house: House) -> None:
    source = acting(shelf.folder, "built")
    shelf.wheel("alpha")
    planned = house.plan("built", "alpha", allow_sdist=True, workshop=unconfined)
    assert [(one.name, one.built) for one in planned.lock.packages] == [("alpha", False), ("built", True)]
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert f"built==1.0 --hash=sha256:{digest}\n" in planned.lock.text
    provided = house.provide(planned, allow_sdist=True, workshop=unconfined)
    assert provided.path is not None
    assert (provided.path / "built" / "wheel.json").is_file()
    again = house.plan("built", "alpha", allow_sdist=True, workshop=unconfined)
    assert again.lock == planned.lock


def test_nothing_is_built_where_there_is_a_wheel(shelf: Shelf, house: House) -> None:
    shelf.wheel("alpha")

    def closed(order: Order) -> AbstractContextManager[Workbench]:
        raise AssertionError

    planned = house.plan("alpha", allow_sdist=True, workshop=closed)
    house.provide(planned, allow_sdist=True, workshop=closed)


def test_nothing_is_built_that_was_not_allowed(shelf: Shelf, house: House) -> None:
    acting(shelf.folder, "built")
    (fault,) = house.fails("built", workshop=unconfined)
    assert (fault.code, fault.culprit) == ("only_source", "built")
    assert f"built 1.0 only has a source distribution for {HERE}, no wheel" in fault.message
    assert fault.message.endswith("by CADENCE_ALLOW_SDIST=true.")


def test_a_package_with_wheels_for_others_only_and_a_source_is_built(shelf: Shelf, house: House) -> None:
    shelf.wheel("built", tag="cp38-cp38-win_amd64")
    acting(shelf.folder, "built")
    planned = house.plan("built", allow_sdist=True, workshop=unconfined)
    assert planned.lock.built


def test_a_build_that_fails_is_told_with_what_it_said(shelf: Shelf, house: House) -> None:
    acting(shelf.folder, "built", "def act(hook): raise RuntimeError('no compiler here')\n")
    (fault,) = house.fails("built", allow_sdist=True, workshop=unconfined)
    assert (fault.code, fault.culprit) == ("build_failed", "built")
    assert fault.message.startswith(f"built 1.0 has no wheel for {HERE}, and building it from source failed: ")
    assert "no compiler here" in fault.message


def test_a_package_without_any_file_that_fits_is_told_where_building_is_allowed(shelf: Shelf, house: House) -> None:
    shelf.wheel("alpha", tag="cp38-cp38-win_amd64")
    (fault,) = house.fails("alpha", allow_sdist=True, workshop=unconfined)
    assert (fault.code, fault.culprit) == ("no_wheel", "alpha")
