"""Leads to the SDK from a folder in which nothing else lies.

The folder that holds the SDK holds all other packages of the server too. With this one on the path instead, the SDK can
be imported and they cannot; that also goes for the processes a plugin starts, which are given its path.
"""

import importlib.util
import sys
from pathlib import Path

_FOLDER = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location(
    __name__, _FOLDER / "__init__.py", submodule_search_locations=[str(_FOLDER)]
)
if _spec is None or _spec.loader is None:
    raise ImportError(f"{_FOLDER} cannot be imported")
# An import gives what its module has put in its own place.
sys.modules[__name__] = _module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
