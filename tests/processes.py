"""Looking at processes that may end at any moment."""

import psutil


def is_over(process: psutil.Process) -> bool:
    """Whether it has ended, though no one may have asked for its outcome yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def runs(pid: int) -> bool:
    """Whether there is a process of this id that has not ended."""
    try:
        return not is_over(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def name_of(process: psutil.Process) -> str:
    """Its name; empty where it has ended."""
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def folder_of(process: psutil.Process) -> str:
    """Its working directory; empty where it has ended."""
    try:
        return process.cwd() if not is_over(process) else ""
    except psutil.NoSuchProcess:
        return ""
