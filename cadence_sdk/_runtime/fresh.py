"""Workers of plugins that are isolated: they find nothing but Python's own modules, the SDK and their environment.

Such a plugin needs other versions of the packages that workers have preloaded; its environment holds all it imports.
Its worker comes of a *bare* zygote, which has loaded no package at all, neither the server's nor any plugin's. What
the environment holds is imported in that worker, after its lockdown.

For LangChain that takes 0.4 to 0.6 s (twice as long in an environment without bytecode), where a forked worker is there
in 11 ms. Its worker has 40 to 50 MiB of memory to itself, which count as the plugin's, where a forked one has 7. The
bare zygote has 8 MiB to itself, the worker it keeps forked ahead included, and starts in 0.1 s.
"""

import gc
import site
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from cadence_sdk._runtime.exhaustion import end_out_of
from cadence_sdk._runtime.process import keep_threads_small
from cadence_sdk._runtime.wire import WorkerSpec

#: The folder from which the SDK, and nothing beside it, can be imported.
SDK_PATH = str(Path(__file__).with_name("alone"))
#: The folder of what stands for packages until there is an environment.
STAND_INS = str(Path(__file__).with_name("bare"))
_MADE_ANEW = ("cadence_sdk", "msgspec")


def prepare() -> None:
    """In the bare zygote, before the first fork: what does not depend on any package."""
    # Plugins expect to find them; Python was started without.
    site.setquit()
    site.setcopyright()
    site.sethelper()
    keep_threads_small()
    gc.collect()
    gc.freeze()


def run(frame: bytes, spec: WorkerSpec, channel: socket.socket) -> None:
    """In a locked-down worker, whose environment is on its path: load the plugin by its own packages and serve it.

    Returns when the server said stop or went away.

    :param frame: the JSON that ``spec`` came of. It is decoded again, into types made by the environment's packages.
    """
    _forget()
    try:
        main, wire = _loaded("main", "wire")
    except MemoryError as error:
        end_out_of(error, spec.limits)
    except SystemError as error:
        # "error return without exception set": what the interpreter's importing says where it has no memory left.
        end_out_of(MemoryError(str(error)), spec.limits)
    main.configure_logging()
    main.run(wire.decode_spec(frame), channel)


def _loaded(*names: str) -> list[Any]:
    """Modules of the SDK's runtime, by the environment's packages."""
    gc.disable()  # what is imported stays: looking for garbage would take an eighth of the time
    try:
        return [import_module(f"cadence_sdk._runtime.{name}") for name in names]
    finally:
        gc.freeze()
        gc.enable()


def _forget() -> None:
    """Have the SDK imported again, with the environment's packages in place of what stood for them.

    What the lockdown put into :mod:`socket` keeps the old code for itself.
    """
    sys.path[:] = [SDK_PATH, *(entry for entry in sys.path if entry not in (SDK_PATH, STAND_INS))]
    sys.path_importer_cache.clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in _MADE_ANEW]:
        del sys.modules[name]
