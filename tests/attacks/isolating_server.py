"""A ``flask`` whose server has an environment at hand for plugins that are isolated, and resolves nothing.

``python -m tests.attacks.isolating_server PACKAGES ARGUMENTS…``: the folder of the packages, and the arguments of
``flask``. In all else it is the same command.
"""

import sys
from pathlib import Path

from flask.cli import main

from cadence.parts import Running
from tests.runtime.isolation import isolating

if __name__ == "__main__":
    Running._dependencies = isolating(Path(sys.argv.pop(1)))  # type: ignore[method-assign,assignment]
    main()
