"""Made-up comparisons for the pages, with markup in every place where a plugin can put it."""

from typing import Any

import msgspec

from cadence.comparison import (
    Change,
    Comparison,
    FileChange,
    FileChanges,
    FileContents,
    FileDifference,
    Package,
    PackageChange,
    PackageChanges,
    TextChanges,
    ToolChange,
    ToolChanges,
    file_difference,
)
from cadence.confirmation import NotKept
from cadence.errors import InvalidRequest, NotFound
from cadence.model import InstallKind, InstallOptions, InstallState, Upload
from tests.web.pages.preview import FOUND, MadeUpServices, plugin, shown_install, version

MARKUP = '<b onclick="x">&\'</b>'

NOTHING = Comparison("math_plugin", "1.0.0", "1.1.0")
EVERYTHING = Comparison(
    "math_plugin",
    "1.0.0",
    "1.1.0",
    breaking=("Tool `root` is gone.", "Tool `add`: argument `c` is new and required."),
    tools=ToolChanges(
        added=("median",),
        removed=("root",),
        changed=(
            ToolChange("add", (Change("argument `c` is new and required", True), Change("its description changed"))),
            ToolChange("multiply", (Change("the default of `times` was 1 and is 2 now"),)),
        ),
    ),
    needs=TextChanges(
        added=("to connect to api.example.com:443", "1024 MiB of memory"), removed=("512 MiB of memory",)
    ),
    findings=TextChanges(added=("agent.py overrides bind_model, which has no effect: the model stays in the server.",)),
    requirements=TextChanges(added=("numpy>=2",), removed=("numpy>=1.20.0",)),
    packages=PackageChanges(
        added=(Package("mpmath", "1.3.0"),), changed=(PackageChange("numpy", "1.26.4", "2.1.0"),), left_out=2
    ),
    files=FileChanges(
        added=(FileChange("statistics.py", None, 2048),),
        removed=(FileChange("roots.py", 900, None),),
        changed=(FileChange("tools.py", 4096, 6144), FileChange("plugin.py", 700, 700)),
        unchanged=3,
    ),
    description=TextChanges(added=("Capability “statistics”",)),
)


def hostile() -> Comparison:
    """Markup in every text of it."""

    def marked(value: Any) -> Any:
        if isinstance(value, str):
            return MARKUP
        if isinstance(value, (list, tuple)):
            return [marked(one) for one in value]
        return {key: marked(one) for key, one in value.items()} if isinstance(value, dict) else value

    plain = marked(msgspec.to_builtins(EVERYTHING)) | {"old_version": "1.0.0", "new_version": "1.1.0"}
    plain["files"]["unknown"] = MARKUP
    return msgspec.convert(plain, Comparison)


class ComparingServices(MadeUpServices):
    """Services with two versions of a plugin, and a check whose archive is kept once."""

    def __init__(self) -> None:
        super().__init__([plugin(version="1.1.0", versions=(version("1.1.0"), version("1.0.0", active=False)))])
        self.comparison = EVERYTHING
        self.texts: tuple[bytes | None, bytes | None] = (b"a\nb\n", b"a\nc\n")
        self.kept = {"checked": InstallOptions(activate=False)}
        self.confirmed: list[tuple[str, bool | None]] = []

    def compare(self, name: str, old: str, new: str) -> Comparison:
        for number in (old, new):
            if number not in ("1.0.0", "1.1.0"):
                raise NotFound(f"{name} {number} is not installed.")
        if old == new:
            raise InvalidRequest("Both are the same.")
        return msgspec.structs.replace(self.comparison, old_version=old, new_version=new)

    def file_difference(self, name: str, old: str, new: str, path: str) -> FileDifference:
        sides = [None if text is None else FileContents(text, len(text)) for text in self.texts]
        return file_difference(path, *sides)

    def checked(self, check_id: str, *, force_overwrite: bool | None = None) -> tuple[Upload, InstallOptions]:
        if check_id not in self.kept:
            raise NotKept("It is gone; upload the archive again.")
        self.confirmed.append((check_id, force_overwrite))
        return Upload("", "math_plugin-1.1.0.zip", "", 0), self.kept.pop(check_id)

    def show_check(self, *, comparison: Comparison | None, installed: bool = False, kept: bool = True) -> None:
        """Have a check be there that succeeded, and whose archive is still kept."""
        plain = msgspec.to_builtins(comparison)
        details = FOUND | {"tried": True, "warnings": [], "installed": installed, "comparison": plain}
        outcome = {"details": details}
        view = shown_install(InstallState.SUCCEEDED, 6, outcome, id="checked", kind=InstallKind.CHECK)
        self.shown = [msgspec.structs.replace(view, confirmable=kept)]
