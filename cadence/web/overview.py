"""What a plugin says of itself, and what is known of the version that is shown: for its first page, and as JSON."""

from typing import Any

from msgspec import Struct

from cadence.errors import NotFound
from cadence.inventory import contents
from cadence.model import Metadata, PluginRef, VersionRecord
from cadence.parts import Parts, Running
from cadence.web.grants import shown_version
from cadence.web.readme import Readme, readme_of

README_NAMES = ("README.md", "readme.md", "Readme.md", "README.txt", "README")


class Overview(Struct, frozen=True):
    """The version of a plugin that answers or, without one, the highest, as it describes itself.

    ``metadata_name`` is what it calls itself, ``model`` what it asks of a language model, ``requests`` the endpoints it
    would like to reach. ``installed_at`` and ``activated_at`` are UTC, ISO 8601, the latter null if it is not active.
    ``readme`` is null where its archive has none. ``has_archive`` is whether it came as one.
    """

    plugin_name: str
    plugin_version: str
    metadata_name: str
    description: str
    capabilities: tuple[str, ...]
    agent_type: str
    model: dict[str, Any]
    response_schema: dict[str, Any] | None
    response_suggestion: str | None
    sdk_version: str | None
    dependencies: tuple[str, ...]
    requests: tuple[str, ...]
    parallel_tool_calls: bool
    installed_at: str
    activated_at: str | None
    size_bytes: int
    sha256: str
    has_archive: bool
    readme: Readme | None = None


class OverviewServices:
    """Reading what plugins say of themselves."""

    _parts: Parts

    @property
    def running(self) -> Running:
        """The runtime, started where it was not."""
        return self._parts.serving

    def overview(self, name: str) -> Overview:
        """What one plugin says of itself.

        :raises NotFound: when it is not installed.
        """
        records = self._parts.index.versions_of(name)
        if not records:
            raise NotFound(f"No plugin {name!r} is installed.")
        record, live = shown_version(records), self.running.live_set.plugin(name)
        is_live = live is not None and live.record.ref == record.ref
        metadata = live.report.metadata if live is not None and is_live else record.report.metadata
        return _overview(record, metadata, self._readme(record.ref))

    def _readme(self, ref: PluginRef) -> Readme | None:
        folder = self._parts.store.folder(ref)
        for name in README_NAMES:
            found = contents(folder, name)
            if found is not None:
                return readme_of(name, found.start, self._parts.settings)
        return None


def _overview(record: VersionRecord, metadata: Metadata, readme: Readme | None) -> Overview:
    return Overview(
        plugin_name=record.ref.name,
        plugin_version=record.ref.version,
        metadata_name=metadata.name,
        description=metadata.description,
        capabilities=metadata.capabilities,
        agent_type=metadata.agent_type,
        model=metadata.llm_requirements,
        response_schema=metadata.response_schema,
        response_suggestion=metadata.response_suggestion,
        sdk_version=metadata.sdk_version,
        dependencies=metadata.dependencies,
        requests=metadata.network,
        parallel_tool_calls=record.report.parallel_tool_calls,
        installed_at=record.installed_at,
        activated_at=record.activated_at,
        size_bytes=record.size_bytes,
        sha256=record.sha256,
        has_archive=record.source == "upload",
        readme=readme,
    )
