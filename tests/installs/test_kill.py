"""``kill -9`` at each point of an install: the plugin is whole or absent then, and nothing else is left."""

import io
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from flask import Flask

from cadence import create_app
from cadence.config import Settings
from cadence.model import InstallState, PluginRef
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.building import archive_bytes, plugin_files
from tests.conftest import parts_of
from tests.processes import runs
from tests.server.process import PATIENCE_SECONDS, ROOT, await_true, environment
from tests.web.api.asking import upload

#: Until here the install never happened.
EARLY = (
    *("begin archive", "end archive", "begin exists", "end exists", "begin inspect", "end inspect"),
    *("begin dependencies", "end dependencies", "begin trial", "end trial", "begin publish"),
    "before Index.commit_version",
)
#: From here on it is completed.
LATE = (
    *("after Index.commit_version", "before Store.publish", "after Store.publish"),
    *("before Index.mark_published", "after Index.mark_published", "end publish"),
    *("begin activate", "end activate", "before Index.finish_install", "after Index.finish_install"),
)
REMOVAL = (
    *("after Index.remove", "before Store.set_aside", "before Store.remove", "after Store.set_aside"),
    *("before Index.mark_removed", "after Index.mark_removed", "after LiveSet.reconcile_one"),
)
#: Before and after a version that was deleted is back. (Every change to the disk is in tests/removal.)
NOT_YET_BACK = ("before Index.commit_version",)
BACK = ("after Index.commit_version", "before Index.mark_published")
SAY = """
    from cadence_sdk import tool

    @tool
    def say() -> str:
        "Say which one this is."
        return {word!r}

    TOOLS = [say]
"""


@cache
def archive(version: str, word: str) -> bytes:
    """The same bytes each time: an archive made anew would have another time in it."""
    return archive_bytes(plugin_files(version=version, tools=SAY.format(word=word)))


@contextmanager
def running(instance: Path, zygote: Zygote) -> Iterator[Flask]:
    app = create_app(Settings(instance=instance), zygote)
    try:
        yield app
    finally:
        parts_of(app).close()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Path:
    """An instance with 1.0.0, which says "old"."""
    instance = tmp_path_factory.mktemp("prepared") / "instance"
    with running(instance, zygote) as app:
        assert upload(app.test_client(), archive("1.0.0", "old")).status_code == 201
    return instance


@pytest.fixture(scope="module")
def prepared_two(tmp_path_factory: pytest.TempPathFactory, prepared: Path, zygote: Zygote) -> Path:
    """An instance with 1.1.0, which says "new", over 1.0.0."""
    instance = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("prepared") / "instance"))
    with running(instance, zygote) as app:
        assert upload(app.test_client(), archive("1.1.0", "new"), "demo_plugin-1.1.0.zip").status_code == 201
    return instance


@pytest.fixture(scope="module")
def prepared_deleted(tmp_path_factory: pytest.TempPathFactory, prepared_two: Path, zygote: Zygote) -> Path:
    """An instance in which 1.1.0 was deleted, and 1.0.0 answers."""
    instance = Path(shutil.copytree(prepared_two, tmp_path_factory.mktemp("prepared") / "instance"))
    with running(instance, zygote) as app:
        parts_of(app).start().remover.delete(PluginRef("demo_plugin", "1.1.0"))
    return instance


@pytest.fixture
def killed(tmp_path: Path) -> Callable[..., Path]:
    """Run an action on a copy of an instance, in a process that is killed at a point of it; give the instance."""

    def kill(template: Path, point: str, action: str, version: str = "", content: bytes = b"") -> Path:
        instance = Path(shutil.copytree(template, tmp_path / "instance"))
        path = tmp_path / f"demo_plugin-{version}.zip"
        path.write_bytes(content)
        victim = subprocess.run(
            [sys.executable, "-m", "tests.installs.victim", str(instance), point, action, str(path)],
            cwd=ROOT,
            env=environment(instance),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert victim.returncode == -signal.SIGKILL, f"{point} was not met\n{victim.stderr}"
        await_end_of((tmp_path / "family").read_text().split())
        return instance

    return kill


def await_end_of(pids: list[str]) -> None:
    for pid in map(int, pids):
        await_true(lambda pid=pid: not runs(pid), f"the end of {pid}")  # type: ignore[misc]  # bound now


def assert_whole(parts: Parts, ref: PluginRef, content: bytes) -> None:
    """The version is in index, archive and store, and each holds what was uploaded."""
    record = parts.index.version(ref)
    assert record is not None
    assert parts.store.archive(ref).read_bytes() == content
    folder = parts.store.folder(ref)
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        assert found == {name: zipped.read(name) for name in zipped.namelist()}


def assert_nothing_else(parts: Parts, versions: set[str]) -> None:
    """Besides these versions of the plugin there is nothing: no row, no file, no folder of a dead process."""
    slugs = {f"demo_plugin-{version}" for version in versions}
    assert {record.ref.slug for record in parts.index.versions()} == slugs
    assert parts.store.folders() == slugs
    assert parts.store.archives() == slugs
    assert parts.store.stagings() == set()
    assert parts.index.pending_changes() == []
    instance = parts.settings.instance
    (owner,) = [path.stem for path in (instance / "owners").iterdir()]
    for folder in ("run", "store_archived/.uploads"):
        assert {path.name for path in instance.glob(f"{folder}/*")} <= {owner}
    assert not list(instance.glob("store_archived/.uploads/*/*"))


def word_of(app: Flask) -> str:
    """What the live version says."""
    client, words = app.test_client(), list[str]()

    def says() -> bool:
        answer = client.post("/api/v1/plugins/demo_plugin/tools/say", json={})
        words.extend([answer.get_json()["result"]] if answer.status_code == 200 else [])
        return bool(words)

    await_true(says, "the plugin's answer")
    return words[0]


@pytest.mark.parametrize("point", [*EARLY, *LATE])
def test_an_install_that_is_killed_is_whole_or_absent(
    killed: Callable[..., Path], prepared: Path, zygote: Zygote, point: str
) -> None:
    new = archive("1.1.0", "new")
    instance = killed(prepared, point, "install", "1.1.0", new)
    with running(instance, zygote) as app:
        parts = parts_of(app)
        parts.start(serve=True)
        assert word_of(app) == ("new" if point in LATE else "old")
        assert_whole(parts, PluginRef("demo_plugin", "1.0.0"), archive("1.0.0", "old"))
        if point in LATE:
            assert_whole(parts, PluginRef("demo_plugin", "1.1.0"), new)
        assert_nothing_else(parts, {"1.0.0", "1.1.0"} if point in LATE else {"1.0.0"})


@pytest.mark.parametrize("point", [*EARLY, *LATE])
def test_an_overwrite_that_is_killed_leaves_the_old_or_the_new_whole(
    killed: Callable[..., Path], prepared: Path, zygote: Zygote, point: str
) -> None:
    old, new = archive("1.0.0", "old"), archive("1.0.0", "new")
    instance = killed(prepared, point, "overwrite", "1.0.0", new)
    with running(instance, zygote) as app:
        parts = parts_of(app)
        parts.start(serve=True)
        assert word_of(app) == ("new" if point in LATE else "old")
        assert_whole(parts, PluginRef("demo_plugin", "1.0.0"), new if point in LATE else old)
        assert_nothing_else(parts, {"1.0.0"})


@pytest.mark.parametrize("point", ["before Index.remove", *REMOVAL])
def test_a_deletion_that_is_killed_happens_whole_or_not_at_all(
    killed: Callable[..., Path], prepared_two: Path, zygote: Zygote, point: str
) -> None:
    instance = killed(prepared_two, point, "delete")
    with running(instance, zygote) as app:
        parts = parts_of(app)
        parts.start(serve=True)
        assert word_of(app) == ("old" if point in REMOVAL else "new")
        assert_whole(parts, PluginRef("demo_plugin", "1.0.0"), archive("1.0.0", "old"))
        assert_nothing_else(parts, {"1.0.0"} if point in REMOVAL else {"1.0.0", "1.1.0"})


@pytest.mark.parametrize("point", [*NOT_YET_BACK, *BACK])
def test_a_restoration_that_is_killed_happens_whole_or_not_at_all(
    killed: Callable[..., Path], prepared_deleted: Path, zygote: Zygote, point: str
) -> None:
    instance = killed(prepared_deleted, point, "restore")
    with running(instance, zygote) as app:
        parts = parts_of(app)
        running_parts = parts.start(serve=True)
        assert word_of(app) == ("new" if point in BACK else "old")
        assert_nothing_else(parts, {"1.0.0", "1.1.0"} if point in BACK else {"1.0.0"})
        ref = PluginRef("demo_plugin", "1.1.0")
        if point in NOT_YET_BACK:
            running_parts.remover.restore(ref)
        assert_whole(parts, ref, archive("1.1.0", "new"))
        assert word_of(app) == "new"


@pytest.mark.parametrize("point", ["end trial", "after Index.commit_version", "after Index.mark_published"])
def test_the_record_of_a_killed_install_tells_what_became_of_it(
    killed: Callable[..., Path], prepared: Path, zygote: Zygote, point: str
) -> None:
    instance = killed(prepared, point, "install", "1.1.0", archive("1.1.0", "new"))
    with running(instance, zygote) as app:
        parts_of(app).start(serve=True)
        record = parts_of(app).index.installs(1)[0]
        shown = app.test_client().get(f"/api/v1/installs/{record.id}").get_json()["install"]
    assert record.state is InstallState.INTERRUPTED
    assert shown["state"] == "interrupted"
    if point in LATE:
        assert "is installed" in shown["result"], "it tells that nothing was changed, though the plugin is installed"
    else:
        assert "Nothing was changed" in shown["result"]
