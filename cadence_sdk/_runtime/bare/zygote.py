"""Starts the bare zygote, which finds Python's own modules, the SDK and the stand-in beside this file, and no others.

Run as ``python -I -S -B …/bare/zygote.py FD CONFINE GROUPS…``, without :mod:`site`, which would put the server's
packages on the path and run what they want to be run at every start. The arguments are those of
:mod:`cadence_sdk._runtime.zygote`.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    _folder = Path(__file__).parent
    sys.path[:0] = [str(_folder.with_name("alone")), str(_folder)]

    from cadence_sdk._runtime import zygote

    zygote.start(sys.argv[1:], bare=True)
