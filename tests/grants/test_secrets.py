"""Environment values are secrets: no value that holds them shows them."""

import pytest
from msgspec import Struct

from cadence.model import Granted, Grants
from cadence_sdk._runtime.wire import WorkerSpec
from tests.grants.plugins import SECRET

ENV = {"KEY": SECRET, "A": "1"}


@pytest.mark.parametrize(
    "holder",
    [
        Grants(env=ENV, threads=64),
        Granted(Grants(env=ENV), 3),
        WorkerSpec("demo", "1.0", "/package", "/data", "/tmp", 4096, env=ENV, trial=False),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_the_repr_names_what_is_set_and_no_value(holder: Struct) -> None:
    for shown in (repr(holder), str(holder), f"{[holder]}"):
        assert SECRET not in shown
        assert "env=['A', 'KEY']" in shown


def test_the_repr_of_a_workers_spec_has_everything_else() -> None:
    shown = repr(WorkerSpec("demo", "1.0", "/package", "/data", "/temporary", 4096, env=ENV, trial=False))
    assert shown.startswith("WorkerSpec(name='demo', version='1.0', package='/package', data='/data',")
    for field in WorkerSpec.__struct_fields__:
        assert f"{field}=" in shown
    assert "trial=False" in shown
