"""What plugins say of themselves, without a server behind it."""

from pathlib import Path

from cadence.config import Settings
from cadence.errors import NotFound
from cadence.model import PluginRef
from cadence.web.overview import Overview
from cadence.web.present import PluginView
from cadence.web.readme import Readme, readme_of


class MadeUpOverview:
    """``readmes`` are the bytes of a plugin's README.md, ``archives`` the folder of those that can be had."""

    installed: list[PluginView]

    def __init__(self) -> None:
        self.readmes: dict[str, bytes] = {}
        self.describes: dict[str, dict[str, object]] = {}
        self.archives: Path | None = None

    def overview(self, name: str) -> Overview:
        """What one says, as far as it is not left to a default."""
        view = next((one for one in self.installed if one.name == name), None)
        if view is None:
            raise NotFound(f"No plugin {name!r} is installed.")
        shown = next(one for one in view.versions if one.version == view.version)
        values: dict[str, object] = {
            "metadata_name": name,
            "agent_type": "specialized",
            "model": {"provider": "openai", "model": "gpt-4.1", "temperature": 0.1, "max_tokens": 1024},
            "response_schema": None,
            "response_suggestion": None,
            "sdk_version": ">=1.3.1,<2.0.0",
            "dependencies": ("cadence-sdk>=1.3.1,<2.0.0",),
            "requests": view.requested.network,
            "parallel_tool_calls": True,
        }
        return Overview(
            plugin_name=name,
            plugin_version=view.version,
            description=view.description,
            capabilities=view.capabilities,
            installed_at=shown.installed_at,
            activated_at=shown.activated_at,
            size_bytes=shown.size_bytes,
            sha256=shown.sha256,
            has_archive=shown.source == "upload",
            readme=self._readme(name),
            **(values | self.describes.get(name, {})),  # type: ignore[arg-type]  # each is of the type of its field
        )

    def archive(self, ref: PluginRef) -> Path:
        """The file of that name, where there is a folder of them."""
        if self.archives is None:
            raise NotFound(f"{ref.name} {ref.version} is not installed.", ref=ref)
        return self.archives / f"{ref.slug}.zip"

    def _readme(self, name: str) -> Readme | None:
        data = self.readmes.get(name)
        return readme_of("README.md", data, Settings()) if data is not None else None
