"""What a plugin says about itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

AGENT_TYPES = ("specialized", "general", "utility")


@dataclass
class ModelConfig:
    """The language model a plugin asks for. ``model`` and ``model_name`` are two names of one value.

    ``temperature`` is the sampling temperature and ``max_tokens`` the longest answer, in tokens; ``None`` leaves
    them to the server. ``additional_params`` are handed to the model as they are.
    """

    provider: str | None = None
    model_name: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    additional_params: dict[str, Any] = field(default_factory=dict)
    model: str | None = None

    def __post_init__(self) -> None:
        self.model_name = self.model_name or self.model
        self.model = self.model_name

    @classmethod
    def from_requirements(cls, requirements: Mapping[str, Any]) -> "ModelConfig":
        """Read ``PluginMetadata.llm_requirements``; keys it does not know become ``additional_params``."""
        known = {key: value for key, value in requirements.items() if key in cls.__dataclass_fields__}
        extra = {key: value for key, value in requirements.items() if key not in known}
        extra.update(known.pop("additional_params", None) or {})
        return cls(**known, additional_params=extra)


@dataclass
class PluginMetadata:
    """What a plugin says about itself; ``get_metadata()`` returns it.

    :param name: what the plugin is called, for the router and for people.
    :param version: its version (PEP 440 or semantic); the archive's file name must say the same.
    :param description: what it is for, in a sentence: the router chooses by it.
    :param capabilities: words for what it can do.
    :param llm_requirements: ``provider``, ``model``, ``temperature``, ``max_tokens``.
    :param agent_type: ``specialized``, ``general`` or ``utility``.
    :param dependencies: requirements (PEP 508) that are installed for it.
    :param response_schema: the shape of structured answers: a JSON schema, or a class decorated with
        :func:`~cadence_sdk.object_schema` or :func:`~cadence_sdk.list_schema`.
    :param response_suggestion: advice to the model that words the final answer.
    :param sdk_version: the versions of this SDK it works with.
    :param network: where it has to connect to, each ``host:port``. The operator is asked; nothing is open by this.
    :param memory_mb: how much memory it needs, in MiB. The operator is asked for this too.
    """

    name: str
    version: str
    description: str
    capabilities: list[str] = field(default_factory=list)
    llm_requirements: dict[str, Any] = field(default_factory=dict)
    agent_type: str = "specialized"
    dependencies: list[str] = field(default_factory=list)
    response_schema: Any = None
    response_suggestion: str | None = None
    sdk_version: str = ">=1.0.0,<2.0.0"
    network: list[str] = field(default_factory=list)
    memory_mb: int | None = None

    def __post_init__(self) -> None:
        # Plugins written against the first 1.x releases pass None for "nothing".
        self.capabilities = [] if self.capabilities is None else self.capabilities
        self.dependencies = [] if self.dependencies is None else self.dependencies
        self.network = [] if self.network is None else self.network
        self.llm_requirements = {} if self.llm_requirements is None else self.llm_requirements

    def get_model_config(self) -> ModelConfig:
        """``llm_requirements`` as a :class:`ModelConfig`."""
        return ModelConfig.from_requirements(self.llm_requirements)
