import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SDK = Path(__file__).parents[2] / "cadence_sdk"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("wheel")
    # -P: the SDK's own folder, where this runs, holds packages named types and tools.
    build = [sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(build, cwd=SDK, check=True, capture_output=True)
    return zipfile.ZipFile(next(target.glob("*.whl")))


def test_the_wheel_holds_every_module_under_the_packages_name(wheel: zipfile.ZipFile) -> None:
    packed = {name for name in wheel.namelist() if name.startswith("cadence_sdk/")}
    assert packed == {f"cadence_sdk/{path.relative_to(SDK).as_posix()}" for path in SDK.rglob("*.py")} | {
        "cadence_sdk/py.typed"
    }


def test_the_wheel_holds_nothing_beside_the_package_and_its_metadata(wheel: zipfile.ZipFile) -> None:
    assert {name.partition("/")[0].partition("-")[0] for name in wheel.namelist()} == {"cadence_sdk"}


def test_the_wheel_alone_can_load_and_test_a_plugin(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    plugin = SDK.parent / "examples" / "math_plugin-1.0.0"
    code = (
        "import cadence_sdk, sys; from cadence_sdk.testing import load_plugin; "
        f"print(cadence_sdk.__file__, load_plugin({str(plugin)!r}).call('add', a=2, b=3), 'cadence' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True, env={})
    assert ran.stdout.split() == [str(tmp_path / "cadence_sdk" / "__init__.py"), "5.0", "False"]
