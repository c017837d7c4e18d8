"""The pages with services that are made up: for the tests, and to look at."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, cast

import msgspec
from flask import Flask, current_app
from htmx_flask.requests import HtmxAwareRequest
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

from cadence.config import SandboxMode
from cadence.confirmation import NotKept
from cadence.errors import CadenceError, NotFound, PluginExists
from cadence.intake.upload import UploadFile
from cadence.model import (
    CheckOptions,
    InstallKind,
    InstallOptions,
    InstallRecord,
    InstallState,
    PluginRef,
    Stage,
    StageRecord,
    ToolSpec,
    Upload,
)
from cadence.runs import NotCancellable
from cadence.sandbox import Sandbox
from cadence.storage.installs import InstallLine
from cadence.web import htmx
from cadence.web.api.rules import PluginName
from cadence.web.incoming import IncomingUpload
from cadence.web.install_views import CHECK_STAGES, InstallView, install_view
from cadence.web.listing import Answering
from cadence.web.packages import Packages
from cadence.web.pages import EXTENSION, pages, problem_page
from cadence.web.pages.chat_suggestions import ANSWERING
from cadence.web.present import (
    STATUS_LABELS,
    PluginStatus,
    PluginView,
    ReloadedPlugin,
    ReloadView,
    VersionView,
)
from cadence_sdk._runtime.report import Layer
from tests.web.pages.preview_chat import MadeUpChat
from tests.web.pages.preview_list import MadeUpList
from tests.web.pages.preview_logs import MadeUpLogs
from tests.web.pages.preview_overview import MadeUpOverview
from tests.web.pages.preview_system import MadeUpSystem
from tests.web.pages.preview_tools import MadeUpTools
from tests.web.pages.preview_usage import MadeUpUsage
from tests.web.pages.preview_versions import MadeUpVersions, ago

ROOT = Path(__file__).parents[3]
MAX_UPLOAD_BYTES = 256 * 1024
MILLISECONDS = (3.2, 6.8, 0.4, 11.6, 1840.0, 212.0, 5.1, 2.2)


def version(number: str, *, active: bool = True, name: str = "math_plugin", **more: Any) -> VersionView:
    """A version with every field filled."""
    values: dict[str, Any] = {
        "installed_at": ago(hours=2),
        "size_bytes": 14_336,
        "source": "upload",
        "directory": f"/srv/cadence/instance/store_plugin/{name}-{number}",
        "sha256": hashlib.sha256(f"{name}{number}".encode()).hexdigest(),
    }
    return VersionView(version=number, active=active, **(values | more))


def plugin(name: str = "math_plugin", status: PluginStatus = "live", **more: Any) -> PluginView:
    """A plugin with every field filled."""
    values: dict[str, Any] = {
        "version": "1.0.0",
        "description": "Exact arithmetic, roots and statistics for numbers of any size.",
        "status_words": STATUS_LABELS[status] if status in ("live", "starting", "asleep") else "",
        "capabilities": ("arithmetic", "statistics"),
        "tools": (
            ToolSpec("add", "Add two numbers.", {}),
            ToolSpec("multiply", "Multiply two numbers.", {}),
            ToolSpec("median", "The median of a list of numbers.", {}),
        ),
        "versions": (version("1.0.0", name=name),),
    }
    return PluginView(name=name, status=status, **(values | more))


LAYERS = (
    Layer("landlock", "Files outside its own folders, abstract sockets and signals to other processes.", True),
    Layer("seccomp", "System calls that it does not need, such as mount, ptrace, bpf and io_uring.", True),
    Layer("process namespace", "Seeing or signalling the processes of others; what it starts ends with it.", True),
    Layer("network namespace", "Every network, loopback too, but for connections that were granted.", True),
    Layer("read-only mounts", "Changing modes, owners and times of files that are not its own.", True),
    Layer("cgroup", "More memory, processors or processes than its limits, all it starts counted together.", True),
)


def layers(*missing: str, weak: str = "") -> tuple[Layer, ...]:
    """The layers of a host on which some are missing, or weaker than they could be."""
    change = msgspec.structs.replace
    return tuple(
        change(layer, active=False, reason=f"this kernel (5.10) has no {layer.name}")
        if layer.name in missing
        else change(layer, reason="this kernel (6.1) does not scope signals")
        if layer.name == weak
        else layer
        for layer in LAYERS
    )


class PreviewRequest(HtmxAwareRequest):  # type: ignore[misc]  # its base has no types
    """Receives files as the server's own request class does, into the folder of the application's settings."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        return cast(IO[bytes], UploadFile(current_app.config["FOLDER"], MAX_UPLOAD_BYTES))


class MadeUpServices(
    MadeUpVersions, MadeUpList, MadeUpOverview, MadeUpTools, MadeUpLogs, MadeUpChat, MadeUpSystem, MadeUpUsage
):
    """Services without a server behind them. A running install moves on by one stage whenever it is asked for.

    What becomes of an upload is written in its name: ``broken`` fails with three faults, ``odd`` succeeds with
    warnings, ``twice`` exists already, ``stuck`` never moves on. ``said`` is the log of every install.
    """

    max_upload_bytes = MAX_UPLOAD_BYTES

    def __init__(self, installed: Sequence[PluginView] = ()) -> None:
        MadeUpVersions.__init__(self, installed)
        MadeUpList.__init__(self)
        MadeUpOverview.__init__(self)
        MadeUpTools.__init__(self)
        MadeUpLogs.__init__(self)
        MadeUpChat.__init__(self)
        MadeUpSystem.__init__(self)
        MadeUpUsage.__init__(self)
        self.records: dict[str, InstallRecord] = {}
        self.shown: list[InstallView] = []
        self.arriving: list[IncomingUpload] = []
        #: Whether the archives of installs can be tried again.
        self.keeps = True
        self.options: list[InstallOptions] = []
        self.reloaded = ReloadView(0, 0, 0)
        self.sandbox: Sandbox | None = Sandbox(SandboxMode.PREFER, LAYERS)
        self.failure: str | None = None
        self.said: list[str] = []
        self.brought: dict[PluginRef, Packages] = {}

    def names(self) -> frozenset[str]:
        """What is installed, by name."""
        return frozenset(view.name for view in self.installed)

    def answering(self) -> Sequence[Answering]:
        """What of it can answer."""
        return [Answering(view.name, view.version) for view in self.installed if view.status in ANSWERING]

    def recent_installs(self) -> Sequence[InstallView]:
        """The installs of this run, newest first, then those it was given."""
        return [install_view(record, kept=self.keeps) for record in reversed(self.records.values())] + self.shown

    def installs(
        self, limit: int, *, after: str | None = None, name: str | None = None, state: InstallState | None = None
    ) -> Sequence[InstallView]:
        """Those of them that are asked for."""
        views = list(self.recent_installs())
        if after is not None:
            views = views[next((n for n, view in enumerate(views, 1) if view.id == after), 0) :]
        return [view for view in views if name in (None, view.plugin_name) and state in (None, view.state)][:limit]

    def incoming(self) -> Sequence[IncomingUpload]:
        """What it was told."""
        return self.arriving

    def again(self, install_id: str, *, force_overwrite: bool | None = None) -> tuple[Upload, InstallOptions]:
        """The same file once more."""
        record = self.records[install_id]
        if not self.keeps:
            raise NotKept("It is gone; upload it again.")
        upload = Upload("", record.filename, "0" * 64, 9, 0.1)
        return upload, InstallOptions(force_overwrite=bool(force_overwrite))

    def submit(self, upload: Upload, options: InstallOptions) -> str:
        """Begin an install."""
        name, number = upload.filename.removesuffix(".zip").rsplit("-", 1)
        if "twice" in name and not options.force_overwrite:
            raise PluginExists("Use force_overwrite=true to replace", ref=PluginRef(name, number))
        install_id = f"{len(self.records) + 1:04d}"
        self.options.append(options)
        self.records[install_id] = InstallRecord(
            install_id,
            upload.filename,
            InstallState.RUNNING,
            ago(),
            name,
            number,
            (StageRecord(Stage.RECEIVE),),
            kind=InstallKind.CHECK if isinstance(options, CheckOptions) else InstallKind.INSTALL,
        )
        return install_id

    def install_bytes(self, filename: str, archive: bytes) -> str:
        """Begin an install."""
        return self.submit(
            Upload("", filename, hashlib.sha256(archive).hexdigest(), len(archive), 0.1), InstallOptions()
        )

    def cancel(self, install_id: str) -> InstallView:
        """End one that runs."""
        record = self.records[install_id]
        if record.state is not InstallState.RUNNING:
            raise NotCancellable("It is over.")
        self.records[install_id] = over(record, record.stages, InstallState.CANCELLED, {"success": False})
        return install_view(self.records[install_id])

    def install_log(self, install_id: str, after: int = 0) -> tuple[InstallState, Sequence[InstallLine]]:
        """What was said."""
        record = self.records.get(install_id)
        if record is None and not any(view.id == install_id for view in self.shown):
            raise NotFound("There is no such install.")
        lines = [InstallLine(n, "dependencies", text) for n, text in enumerate(self.said, 1)]
        return record.state if record else InstallState.SUCCEEDED, lines[after:]

    def packages(self, ref: PluginRef) -> Packages:
        """What a version brings."""
        return self.brought.get(ref, Packages())

    def install(self, install_id: str) -> InstallView | None:
        """Tell where the install stands, then move it on."""
        record = self.records.get(install_id)
        if record is None:
            return next((view for view in self.shown if view.id == install_id), None)
        if record.state is InstallState.RUNNING and "stuck" not in record.filename:
            self.records[install_id] = self._moved_on(record)
        return install_view(record, kept=self.keeps)

    def reload(self) -> ReloadView:
        """Return the result this was given."""
        return self.reloaded

    def _moved_on(self, record: InstallRecord) -> InstallRecord:
        assert record.name is not None
        assert record.version is not None
        done = len(record.stages)
        stages = (*record.stages[:-1], StageRecord(record.stages[-1].stage, MILLISECONDS[done - 1]))
        if "broken" in record.filename and stages[-1].stage is Stage.INSPECT:
            return over(record, stages, InstallState.FAILED, BROKEN)
        if record.kind is InstallKind.CHECK and done == len(CHECK_STAGES):
            return over(record, stages, InstallState.SUCCEEDED, {"success": True, "details": FOUND})
        if done == len(Stage):
            self.installed.append(
                plugin(record.name, version=record.version, versions=(version(record.version, name=record.name),))
            )
            details = {"warnings": list(ODD_WARNINGS) if "odd" in record.name else [], "activated": True}
            return over(record, stages, InstallState.SUCCEEDED, {"success": True, "details": details})
        return msgspec.structs.replace(record, stages=(*stages, StageRecord(list(Stage)[done])))


FOUND: dict[str, Any] = {
    "tried": False,
    "tools": [],
    "warnings": ["It was not tried out: the packages that it needs are not on this server."],
    "dependencies": {
        "added": [
            {"name": "numpy", "version": "2.1.0", "size_bytes": 16_882_073, "requirement": "numpy>=1.20.0"},
            {"name": "pydantic", "version": "2.7.4", "size_bytes": 409_017, "requirement": "pydantic<2.8"},
        ],
        "provided": ["langchain-core==1.7.0"],
        "isolated": ["pydantic<2.8 does not go with pydantic 2.14.3, which every worker has loaded."],
        "size_bytes": 17_291_090,
        "ready": False,
    },
    "installed": True,
    "would_activate": True,
}
ODD_WARNINGS = (
    "The plugin calls itself mathematics, its file is named odd_plugin.",
    "agent.py overrides bind_model, which has no effect: the model stays in the server.",
)
NOT_FOUND: dict[str, Any] = {
    "success": False,
    "message": "Dependency installation failed",
    "faults": [{"stage": "dependencies", "message": "There is no such version of it.", "culprit": "numpy>=99"}],
}
BROKEN: dict[str, Any] = {
    "success": False,
    "message": "Plugin validation failed",
    "faults": [
        {"stage": "inspect", "message": "Missing required file: tools.py", "culprit": "tools.py"},
        {"stage": "inspect", "message": "MathAgent does not derive from BaseAgent.", "culprit": "agent.py:12"},
        {
            "stage": "inspect",
            "message": "The version in the metadata is 1.2.0, the file name says 1.0.0.",
            "culprit": "plugin.py:9",
        },
    ],
}


def over(
    record: InstallRecord, stages: tuple[StageRecord, ...], state: InstallState, outcome: dict[str, Any]
) -> InstallRecord:
    """The record of an install that has ended."""
    return msgspec.structs.replace(record, stages=stages, state=state, outcome=outcome)


def shown_install(
    state: InstallState = InstallState.SUCCEEDED,
    reached: int = len(Stage),
    outcome: dict[str, Any] | None = None,
    counted: tuple[int, int] = (0, 0),
    **more: Any,
) -> InstallView:
    """An install as it is shown, of the first ``reached`` stages, with something ``counted`` in the last."""
    stages = [StageRecord(stage, ms) for stage, ms in zip(Stage, MILLISECONDS, strict=True)][:reached]
    if state is InstallState.RUNNING:
        stages[-1] = StageRecord(stages[-1].stage, None, *counted)
    values: dict[str, Any] = {
        "id": "shown",
        "filename": "math_plugin-1.0.0.zip",
        "created_at": ago(minutes=5),
        "name": "math_plugin",
        "version": "1.0.0",
    }
    return install_view(InstallRecord(state=state, stages=tuple(stages), outcome=outcome, **(values | more)))


def create_preview(services: MadeUpServices, folder: Path) -> Flask:
    """The pages alone, as an application that receives files into ``folder``."""
    app = Flask("preview", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.config.update(SECRET_KEY="preview", FOLDER=folder, SESSION_COOKIE_SAMESITE="Strict")
    app.extensions[EXTENSION] = services
    app.url_map.converters["plugin"] = PluginName
    htmx.init_app(app, PreviewRequest)
    app.register_blueprint(pages)
    for kind in (CadenceError, HTTPException, Exception):
        app.register_error_handler(kind, problem_page)
    return app


@contextmanager
def serving(app: Flask, port: int = 0) -> Iterator[str]:
    """Serve ``app`` from a thread; yields its address."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Scene = Literal["empty", "plugins", "installs"]


def scene(kind: Scene) -> MadeUpServices:
    """Something to look at."""
    if kind == "empty":
        return MadeUpServices()
    services = MadeUpServices(
        [
            plugin(
                "math_plugin",
                version="1.1.0",
                versions=(
                    version("1.1.0", installed_at=ago(minutes=4)),
                    version("1.0.0", active=False, installed_at=ago(days=12), warnings=ODD_WARNINGS[:1]),
                ),
            ),
            plugin(
                "search_plugin",
                "failed",
                version="2.1.0",
                description="Searches the company's documents and returns the best passages with their sources.",
                status_words="The worker ended while it loaded plugin.py: ModuleNotFoundError: No module named 'lxml'.",
                capabilities=("search",),
                tools=(ToolSpec("search_documents", "Search the documents.", {}),),
                versions=(version("2.1.0", name="search_plugin", size_bytes=1_288_490, installed_at=ago(hours=3)),),
            ),
            plugin(
                "translate-plugin",
                "starting",
                version="0.4.0rc1",
                description="Translates between 40 languages.",
                capabilities=("translation",),
                tools=tuple(ToolSpec(f"translate_{code}", f"Translate to {code}.", {}) for code in LANGUAGES),
                versions=(version("0.4.0rc1", name="translate-plugin", installed_at=ago(seconds=3)),),
            ),
            plugin(
                "weather_plugin",
                "stopped",
                version="3.0.0",
                description="Forecasts.",
                status_words="No version of it is active.",
                capabilities=(),
                tools=(),
                versions=(
                    version(
                        "3.0.0", active=False, name="weather_plugin", source="directory", installed_at=ago(days=90)
                    ),
                ),
            ),
        ]
    )
    services.reloaded = ReloadView(
        4,
        3,
        1,
        (
            ReloadedPlugin("math_plugin", "1.1.0", 18.4),
            ReloadedPlugin("search_plugin", "2.1.0", error="ModuleNotFoundError: No module named 'lxml'"),
            ReloadedPlugin("translate-plugin", "0.4.0rc1", 1240.0),
            ReloadedPlugin("weather_plugin", "3.0.0", 16.9),
        ),
    )
    if kind == "installs":
        warnings = {"details": {"warnings": list(ODD_WARNINGS), "activated": True, "previous_version": "0.9.0"}}
        services.shown = [
            shown_install(InstallState.RUNNING, 5, id="a", created_at=ago(seconds=4)),
            shown_install(
                InstallState.FAILED,
                4,
                BROKEN,
                id="b",
                filename="broken_plugin-1.0.0.zip",
                name="broken_plugin",
            ),
            shown_install(
                outcome=warnings, id="c", filename="odd_plugin-1.0.0.zip", name="odd_plugin", created_at=ago(minutes=9)
            ),
            shown_install(outcome={}, id="d", created_at=ago(hours=1)),
            shown_install(outcome={"details": FOUND}, reached=5, id="e", kind=InstallKind.CHECK),
            shown_install(InstallState.FAILED, 5, NOT_FOUND, id="f", filename="numeric-1.0.0.zip", name="numeric"),
            shown_install(InstallState.CANCELLED, 6, {}, id="g"),
            shown_install(InstallState.RUNNING, 5, id="h", counted=(3, 12)),
        ]
        services.said = [f"Downloading package-{number} (1.{number} MiB)" for number in range(40)]
    return services


LANGUAGES = ("german", "french", "portuguese", "japanese", "korean", "icelandic", "hungarian")
