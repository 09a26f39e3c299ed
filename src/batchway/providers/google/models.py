"""The names of models: as people write them, as addresses and jobs have them.

    gemini-2.5-flash                                     the publisher that the catalog knows
    anthropic/claude-opus-4-5, publishers/anthropic/models/claude-opus-4-5
    endpoints/123, models/123                            tuned, in the account's project and region
    projects/P/locations/R/endpoints/123                 tuned, in another region
    projects/P/locations/R/publishers/google/models/...

The project is the account's own: lines are written by callers, and what its credentials may do in
other projects is not theirs to use.
Tuned models have two names: an endpoint answers online, and a model runs in jobs.
Source: docs.cloud.google.com/gemini-enterprise-agent-platform/models/capabilities/batch-inference,
"Request a batch inference job"
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from batchway.catalog.google_models import (
    GoogleDialect,
    GoogleModels,
    family_of,
    is_foreign,
)
from batchway.providers.google.place import Place
from batchway.providers.http.addresses import segment

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*", re.ASCII)
_WHERE: Final = re.compile(r"[a-z][a-z0-9-]{0,62}|[0-9]{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model at a place. `family` is what the catalog knows of it.

    `publisher` is whose it is, empty for a tuned one; `resource` is where it is below a project and
    a region, such as `publishers/google/models/gemini-2.5-flash`.
    """

    publisher: str
    name: str
    resource: str
    family: GoogleModels
    place: Place

    @property
    def path(self) -> str:
        """The whole resource."""
        return f"{self.place.parent}/{self.resource}"

    @property
    def in_jobs(self) -> str:
        """What a job calls it."""
        return self.resource if self.publisher else self.path

    @property
    def in_bodies(self) -> str:
        """What a body of OpenAI's form calls it."""
        return f"{self.publisher}/{self.name}" if self.publisher else self.name


def read_model(written: str, place: Place, configured: Mapping[str, GoogleDialect]) -> Model:
    """The model that a name means at a place; `configured` are the dialects of the configuration.

    Raises:
        ValueError: the name leads to no model, or to one of another project. The message does not
            repeat it.
    """
    if is_foreign(written, place.project):
        raise ValueError("The name of the model is one of another project.")
    return model_named(written, place, configured)


def model_named(written: str, place: Place, configured: Mapping[str, GoogleDialect]) -> Model:
    """As `read_model`, of any project: for names that Google says, which may have its number."""
    parts = written.split("/")
    if parts[0] == "projects" and len(parts) > 4 and parts[2] == "locations":
        place = replace(
            place, project=_checked(_WHERE, parts[1]), region=_checked(_WHERE, parts[3])
        )
        parts = parts[4:]
    family = family_of(written, configured)
    if family is None:
        raise ValueError(
            "Nothing is known of a model of this name on Vertex AI: say what it speaks in the "
            "provider's `models`."
        )
    match parts:
        case [("endpoints" | "models") as kind, number]:
            name, publisher = _checked(_NAME, number), ""
            resource = f"{kind}/{name}"
        case ["publishers", publisher, "models", name] | [publisher, name]:
            resource = _published(publisher, name)
        case [name]:
            publisher = family.publisher
            resource = _published(publisher, name)
        case _:
            raise ValueError("The name is none of a model on Vertex AI.")
    return Model(publisher=publisher, name=name, resource=resource, family=family, place=place)


def _published(publisher: str, name: str) -> str:
    if not publisher:
        raise ValueError("The name of the model says no publisher: write it as publisher/model.")
    return f"publishers/{_checked(_NAME, publisher)}/models/{_checked(_NAME, name)}"


def _checked(form: re.Pattern[str], part: str) -> str:
    """A part of a path; what addresses give a meaning to is in no name of Google's."""
    segment(part)
    if form.fullmatch(part) is None:
        raise ValueError("The name of the model cannot stand in an address.")
    return part
