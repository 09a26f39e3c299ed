"""The names of models on Vertex AI, as people write them, read once for all who need to know.

    gemini-2.5-flash                                     the publisher that the catalog knows
    anthropic/claude-opus-4-5, publishers/anthropic/models/claude-opus-4-5
    endpoints/123, models/123                            tuned, in the account's project and region
    projects/P/locations/R/endpoints/123                 tuned, anywhere
    projects/P/locations/R/publishers/google/models/...

Owns the form of a name: what is not of it can stand in no address, and is turned away with the
line, when a batch is checked, and where a configuration is read. Does not own where a model is
called (`providers.google.models`). Tuned models have two names: an endpoint answers online, and a
model runs in jobs. Source:
docs.cloud.google.com/gemini-enterprise-agent-platform/models/capabilities/batch-inference,
"Request a batch inference job"
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from batchway.catalog.google_models import GoogleDialect, GoogleModels, family_of

# What addresses give a meaning to, escaped or not, is in no name of Google's.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*", re.ASCII)
_WHERE: Final = re.compile(r"[a-z][a-z0-9-]{0,62}|[0-9]{1,20}", re.ASCII)
_LONGEST: Final = 512  # of the whole name


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleName:
    """What a name means. `family` is what the catalog knows of the model.

    `publisher` is whose it is, empty for a tuned one; `resource` is where it is below a project and
    a region, such as `publishers/google/models/gemini-2.5-flash`. `project` and `region` are those
    that the name itself says, `None` where it leaves them to the account.
    """

    publisher: str
    name: str
    resource: str
    family: GoogleModels
    project: str | None = None
    region: str | None = None


def read_name(written: str, configured: Mapping[str, GoogleDialect]) -> GoogleName:
    """The model that a name means; `configured` are the dialects of the configuration.

    Raises:
        ValueError: the name leads to no model. The message does not repeat it.
    """
    project = region = None
    parts = written.split("/") if len(written) <= _LONGEST else []
    if parts[:1] == ["projects"] and len(parts) > 4 and parts[2] == "locations":
        project, region = _checked(_WHERE, parts[1]), _checked(_WHERE, parts[3])
        parts = parts[4:]
    match parts:
        case [("endpoints" | "models") as kind, number]:
            publisher, name = "", number
            resource = f"{kind}/{_checked(_NAME, number)}"
        case ["publishers", publisher, "models", name] | [publisher, name]:
            resource = _published(publisher, name)
        case [name]:
            publisher, resource = None, ""
            _checked(_NAME, name)
        case _:
            raise ValueError("The name is none of a model on Vertex AI.")
    family = family_of(written, configured)
    if family is None:
        raise ValueError(
            "Nothing is known of a model of this name on Vertex AI: check its name, or say what it "
            "speaks in the provider's `models`."
        )
    if publisher is None:
        publisher, resource = family.publisher, _published(family.publisher, name)
    return GoogleName(
        publisher=publisher,
        name=name,
        resource=resource,
        family=family,
        project=project,
        region=region,
    )


def _published(publisher: str, name: str) -> str:
    if not publisher:
        raise ValueError("The name of the model says no publisher: write it as publisher/model.")
    return f"publishers/{_checked(_NAME, publisher)}/models/{_checked(_NAME, name)}"


def _checked(form: re.Pattern[str], part: str) -> str:
    """A part of the name, which becomes a part of an address."""
    if form.fullmatch(part) is None:
        raise ValueError("The name of the model cannot stand in an address.")
    return part
