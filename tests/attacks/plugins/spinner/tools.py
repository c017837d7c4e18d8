"""Does not come to an end."""

import asyncio
import os
import signal
import threading
import time

from cadence_sdk import tool


@tool
def ping() -> int:
    """Its process."""
    return os.getpid()


@tool
def spin() -> None:
    """Be busy."""
    while True:
        pass


@tool
def spin_natively() -> None:
    """Be busy without letting any other thread have the interpreter."""
    pow(3, 10**9)


@tool
def sleep() -> None:
    """Do nothing."""
    threading.Event().wait()


@tool
async def spin_in_loop() -> None:
    """Be busy on the event loop."""
    while True:
        pass


@tool
async def sleep_in_loop() -> None:
    """Do nothing on the event loop."""
    await asyncio.Event().wait()


@tool
def ignore_signals() -> None:
    """Do nothing and hear nothing."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        time.sleep(60)


@tool
def stop_itself() -> None:
    """Stop as at a terminal."""
    os.kill(os.getpid(), signal.SIGSTOP)


TOOLS = [ping, spin, spin_natively, sleep, spin_in_loop, sleep_in_loop, ignore_signals, stop_itself]
