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

_NEEDS_KEY = """
    @staticmethod
    def {method}():
        import os
        return {answer}
"""
#: By what a plugin says that it cannot do without ``KEY``.
NEEDS_KEY = {
    "health": _NEEDS_KEY.format(
        method="health_check", answer='{"healthy": "KEY" in os.environ, "details": "KEY is not set"}'
    ),
    "dependencies": _NEEDS_KEY.format(
        method="validate_dependencies", answer='[] if "KEY" in os.environ else ["KEY is not set"]'
    ),
}

#: Takes more memory than every plugin has, when it is imported.
NEEDS_MEMORY = f"ballast = bytearray(700 * 1024 * 1024)\n{TELLING}"


def needs_endpoint(endpoint: str) -> str:
    """A plugin that is healthy where it can connect to an address."""
    host, port = endpoint.split(":")
    return f"""
        @staticmethod
        def health_check() -> dict:
            import socket
            with socket.create_connection(("{host}", {port}), timeout=20):
                return {{"healthy": True}}
    """


def asking(files: dict[str, str], **fields: str) -> dict[str, str]:
    """The files of a plugin whose metadata has these further arguments, as source."""
    # PluginMetadata is the last call in plugin.py; these stand at its end.
    more = ", ".join(["dependencies=[]", *(f"{name}={source}" for name, source in fields.items())])
    return files | {"plugin.py": files["plugin.py"].replace("dependencies=[]", more)}
