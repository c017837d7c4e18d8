"""Plugins that tell what they were granted, and some that are particular about it."""

from tests.runtime.house import with_ping

SECRET = "s3cret-value"

#: ``env`` gives one value of the environment, ``wait`` takes its time.
TELLING = with_ping(
    """
    import time

    @tool
    def env(name: str) -> str | None:
        "A value of the environment."
        return os.environ.get(name)

    @tool
    def wait(seconds: float) -> str:
        "Take so long."
        time.sleep(seconds)
        return "done"
    """,
    "env",
    "wait",
)

#: Loads only where ``MODE`` is not ``bad``.
PARTICULAR = f'import os\nif os.environ.get("MODE") == "bad":\n    raise RuntimeError("no such mode")\n{TELLING}'

#: Was installed without anything; once it has had ``KEY`` it does not load without.
CLINGING = f"""import os, pathlib
seen = pathlib.Path(os.environ["CADENCE_PLUGIN_DATA"], "seen")
if "KEY" in os.environ:
    seen.touch()
elif seen.exists():
    raise RuntimeError("the key is gone")
{TELLING}"""

#: As the former, but it loads, and is unhealthy.
SULKING = """
    @staticmethod
    def health_check() -> dict:
        import os, pathlib
        seen = pathlib.Path(os.environ["CADENCE_PLUGIN_DATA"], "seen")
        if "KEY" in os.environ:
            seen.touch()
        return {"healthy": "KEY" in os.environ or not seen.exists(), "details": "no key"}
"""
