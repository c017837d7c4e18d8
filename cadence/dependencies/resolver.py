"""What a plugin asks for, against what the host provides: a lock, or the reason in words."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from cadence.dependencies.command import Ended, Output, Uv
from cadence.dependencies.explanation import explain
from cadence.dependencies.failure import failed, fault
from cadence.dependencies.host import SDK
from cadence.dependencies.lock import Lock, parse
from cadence.dependencies.requirement import missing, read


def resolve(requirements: Sequence[str], constraints: Sequence[str], uv: Uv) -> Lock:
    """Find versions that go together, for the server's Python and platform; wheels only.

    :param requirements: dependency specifiers (PEP 508) as the plugin wrote them.
    :param constraints: what every worker has preloaded, as lines ``name==version``.
    :returns: the lock of what has to be installed beside it; empty when all is there.
    :raises DependenciesFailed: ``Failed to install: <requirement>`` and the reason.
    :raises Cancelled: when the install was cancelled.
    """
    provided = _versions(constraints)
    wanted = missing(read(requirements), provided)
    if not wanted:
        return Lock()
    # Of two requirements on one package the first stands for both.
    declared = {one.name: one.text for one in reversed(wanted)}
    declared = {one.name: declared[one.name] for one in wanted}
    try:
        output = _compile([str(one.parsed) for one in wanted], constraints, uv)
    except Ended as ended:
        raise failed(
            fault("no_progress", f"The resolver {ended} and was ended.", ", ".join(declared.values()))
        ) from None
    if output.code != 0:
        raise failed(explain(output.words, declared, provided))
    return parse(output.stdout, declared, provided)


def _compile(wanted: Sequence[str], constraints: Sequence[str], uv: Uv) -> Output:
    with tempfile.TemporaryDirectory(prefix="cadence-") as folder:
        constrained, excluded = Path(folder, "constraints.txt"), Path(folder, "excludes.txt")
        constrained.write_text("\n".join(constraints))
        # Of this name the host's is the only one: what an index offers under it is someone else's.
        excluded.write_text(SDK)
        return uv.run(
            "compile",
            "-",
            f"--constraints={constrained}",
            f"--excludes={excluded}",
            "--only-binary=:all:",
            "--generate-hashes",
            "--no-header",
            "--annotation-style=line",
            stdin="\n".join(wanted),
        )


def _versions(constraints: Sequence[str]) -> dict[str, str]:
    pairs = (line.partition("==") for line in constraints)
    return {canonicalize_name(name): version for name, _, version in pairs}
