"""From what a plugin requires to a directory of packages that its worker can import. ``uv`` does the work.

No code of a package runs on the way: only wheels are taken, and a wheel is unpacked, not executed.
"""
