"""Models at a place: what a name means (`catalog.google_names`), as addresses and jobs have it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from batchway.catalog.google_models import GoogleDialect, GoogleModels, is_foreign
from batchway.catalog.google_names import read_name
from batchway.providers.google.place import Place


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
    read = read_name(written, configured)
    if read.project is not None and read.region is not None:
        place = replace(place, project=read.project, region=read.region)
    return Model(
        publisher=read.publisher,
        name=read.name,
        resource=read.resource,
        family=read.family,
        place=place,
    )
