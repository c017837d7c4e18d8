"""Runs programs: each tool has a shell write a file into the data directory."""

import os
import shutil
import subprocess

from cadence_sdk import tool

_SCRIPT = 'echo from a shell > "$1"'


@tool
def ping() -> int:
    """Its process."""
    return os.getpid()


@tool
def run_shell(name: str) -> None:
    """As a child."""
    subprocess.run(["/bin/sh", "-c", _SCRIPT, "sh", name], check=True)


@tool
def system(name: str) -> None:
    """By system(3)."""
    status = os.system(f"echo from a shell > {name}")
    if status:
        raise OSError(f"the shell ended with {status}")


@tool
def become_shell(name: str) -> None:
    """In its own place."""
    os.execv("/bin/sh", ["sh", "-c", _SCRIPT, "sh", name])


@tool
def become_copied_shell(name: str) -> None:
    """In its own place, from a copy in memory that no path leads to."""
    descriptor = os.memfd_create("shell")
    with open("/bin/sh", "rb") as source, open(descriptor, "wb", closefd=False) as copy:
        shutil.copyfileobj(source, copy)
    os.execve(descriptor, ["sh", "-c", _SCRIPT, "sh", name], {})


@tool
def become_shell_by_loader(name: str) -> None:
    """In its own place, by way of the program that loads programs."""
    loader = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}[os.uname().machine]
    os.execv(loader, [loader, "/bin/sh", "-c", _SCRIPT, "sh", name])


TOOLS = [ping, run_shell, system, become_shell, become_copied_shell, become_shell_by_loader]
