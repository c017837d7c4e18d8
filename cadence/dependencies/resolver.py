"""What a plugin asks for, against what the host provides: a lock, or the reason in words."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from cadence.dependencies.command import Ended, Output, Uv
from cadence.dependencies.explanation import explain
from cadence.dependencies.failure import failed, fault
from cadence.dependencies.host import SDK
from cadence.dependencies.lock import Lock, parse
from cadence.dependencies.requirement import Declared, missing, read


class Terms(Struct, frozen=True):
    """What a resolution goes by beside what the plugin requires.

    ``provided`` is what the host provides, canonical name to version. ``needs`` are the requirements of the SDK, where
    the host provides none of them, and ``isolated`` says why in sentences. ``preferred`` are versions to take where
    nothing speaks against it, as lines ``name==version``, the most preferred of a name first.
    """

    provided: Mapping[str, str]
    needs: tuple[Declared, ...] = ()
    isolated: tuple[str, ...] = ()
    preferred: tuple[str, ...] = ()


def resolve(requirements: Sequence[str], constraints: Sequence[str], uv: Uv) -> Lock:
    """Find versions that go together, for the server's Python and platform.

    :param requirements: dependency specifiers (PEP 508) as the plugin wrote them.
    :param constraints: what every worker has preloaded, as lines ``name==version``.
    :returns: the lock of what has to be installed beside it; empty when all is there.
    :raises DependenciesFailed: ``Failed to install: <requirement>`` and the reason.
    :raises Cancelled: when the install was cancelled.
    """
    terms = Terms(versions(constraints))
    return find(missing(read(requirements), terms.provided), terms, uv)


def find(wanted: Sequence[Declared], terms: Terms, uv: Uv) -> Lock:
    """As :func:`resolve`, for requirements that were read, by given terms.

    :param wanted: those that the host does not provide.
    """
    if not wanted and not terms.needs:
        return Lock()
    declared = by_name(wanted)
    try:
        output = _compile([str(one.parsed) for one in (*wanted, *terms.needs)], terms, uv)
    except Ended as ended:
        raise failed(
            fault("no_progress", f"The resolver {ended} and was ended.", ", ".join(declared.values()))
        ) from None
    if output.code != 0:
        raise failed(explain(output.words, declared, terms.provided, {one.name: one.wanted for one in terms.needs}))
    lock = parse(output.stdout, declared, terms.provided, SDK if terms.needs else "")
    return replace(lock, isolated=terms.isolated)


def by_name(wanted: Sequence[Declared]) -> dict[str, str]:
    """Canonical name to the requirement as written; of two on one package the first that names versions is for both."""
    declared: dict[str, Declared] = {}
    for one in wanted:
        first = declared.setdefault(one.name, one)
        if one.parsed.specifier and not first.parsed.specifier:
            declared[one.name] = one
    return {name: one.text for name, one in declared.items()}


def versions(lines: Sequence[str]) -> dict[str, str]:
    """Canonical name to version, of lines ``name==version``."""
    pairs = (line.partition("==") for line in lines)
    return {canonicalize_name(name): version for name, _, version in pairs}


def _compile(wanted: Sequence[str], terms: Terms, uv: Uv) -> Output:
    with tempfile.TemporaryDirectory(prefix="cadence-") as folder:
        constrained, excluded, preferred = (Path(folder, name) for name in ("constraints", "excludes", "preferences"))
        constrained.write_text("".join(f"{name}=={version}\n" for name, version in terms.provided.items()))
        # Of this name the host's is the only one: what an index offers under it is someone else's.
        excluded.write_text(SDK)
        # uv keeps to the versions in an output file that is there already, where they fit.
        preferred.write_text("".join(f"{line}\n" for line in terms.preferred))
        return uv.run(
            "compile",
            "-",
            f"--constraints={constrained}",
            f"--excludes={excluded}",
            *([f"--output-file={preferred}"] if terms.preferred else []),
            *([] if uv.builds else ["--only-binary=:all:"]),
            "--generate-hashes",
            "--no-header",
            "--annotation-style=line",
            stdin="\n".join(wanted),
        )
