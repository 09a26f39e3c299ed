"""What a batch sets at its provider in place of the account's configuration.

Owns the fields only: how a client spells them is the API's (`api.overrides`), and each provider
takes those that mean something to it.
"""

from dataclasses import dataclass, fields
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """A batch's own settings, each `None` where the batch has none.

    `model` is the model at the provider, in place of what the lines name; `azure_api_version` is
    Azure's version; `vertex_bucket` and `vertex_region` are Vertex AI's Cloud Storage bucket and
    region; `s3_bucket` and `bedrock_model` are Bedrock's bucket and model or inference profile.
    """

    model: str | None = None
    azure_api_version: str | None = None
    vertex_bucket: str | None = None
    vertex_region: str | None = None
    s3_bucket: str | None = None
    bedrock_model: str | None = None

    @property
    def stand_in(self) -> str | None:
        """The model of a line that names none."""
        return self.model or self.bedrock_model

    def named(self) -> dict[str, str]:
        """Those that are set, by name."""
        found = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in found if value is not None}


NO_OVERRIDES: Final = Overrides()
