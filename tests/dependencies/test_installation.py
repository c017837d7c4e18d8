import importlib.metadata
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cadence.dependencies.command import Uv
from cadence.dependencies.environment import Environments
from cadence.dependencies.host import modules, preloaded
from cadence.dependencies.installation import Provided, provide
from cadence.errors import Cancelled
from tests.dependencies.shelf import Shelf, SilentIndex


def test_requirements_become_an_environment_and_are_told_as_they_were_written(
    shelf: Shelf, uv: Uv, environments: Environments
) -> None:
    shelf.wheel("alpha")
    provided = provide(["alpha >= 1.0", "cadence_sdk>=1.3.1,<2.0.0", "other; python_version < '3'"], environments, uv)
    assert provided.key is not None
    assert provided.path == environments.path(provided.key)
    assert provided.installed == ("alpha >= 1.0",)
    assert provided.lock.startswith("alpha==1.0 --hash=sha256:")


def test_what_every_worker_has_needs_no_environment(uv: Uv, environments: Environments) -> None:
    assert provide(["pydantic>=2"], environments, uv) == Provided(installed=("pydantic>=2",))


def test_numpy_from_the_configured_index_is_installed_and_works(environments: Environments) -> None:
    provided = provide(["numpy>=1.20.0"], environments, Uv(idle_seconds=120))
    program = f"import sys; sys.path.insert(0, {str(provided.path)!r}); import numpy; "
    program += "print(numpy.ones(3).sum(), numpy.__file__)"
    printed = subprocess.check_output([sys.executable, "-I", "-c", program], text=True)
    assert printed.startswith(f"3.0 {provided.path}")
    assert provided.installed == ("numpy>=1.20.0",)


def test_a_resolution_can_be_cancelled(silent: SilentIndex, environments: Environments) -> None:
    cancelled = threading.Event()
    uv = Uv(idle_seconds=60, cancelled=cancelled, options=silent.options)
    with ThreadPoolExecutor() as pool:
        resolution = pool.submit(provide, ["alpha"], environments, uv)
        silent.await_reader()
        cancelled.set()
        with pytest.raises(Cancelled):
            resolution.result()


def test_what_is_preloaded_is_the_sdk_and_all_it_needs() -> None:
    pinned = dict(line.split("==") for line in preloaded())
    assert {"cadence-sdk", "langchain-core", "pydantic", "pydantic-core", "msgspec"} <= set(pinned)
    assert pinned["pydantic"] == importlib.metadata.version("pydantic")
    assert not {"flask", "cadence", "numpy"} & set(pinned)


def test_the_modules_of_what_is_preloaded_are_known() -> None:
    assert modules()["yaml"] == "pyyaml"
    assert modules()["cadence_sdk"] == "cadence-sdk"
