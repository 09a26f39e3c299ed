"""Models at a place: what a name means (`catalog.bedrock_names`), as addresses and jobs have it."""

from collections.abc import Mapping
from dataclasses import dataclass

from batchway.catalog.bedrock_models import BedrockDialect, BedrockModels
from batchway.catalog.bedrock_names import read_name
from batchway.providers.aws.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model at a place. `family` is what the catalog knows of it.

    `name` is what calls and jobs name it by: an id or an ARN. `base` is the id of the foundation
    model that it is, as far as the name tells.
    """

    name: str
    base: str
    family: BedrockModels
    place: Place


def read_model(written: str, place: Place, configured: Mapping[str, BedrockDialect]) -> Model:
    """The model that a name means at a place; `configured` are the dialects of the configuration.

    Raises:
        ValueError: the name leads to no model, or to one of another region. The message does not
            repeat it.
    """
    read = read_name(written, configured)
    if read.region not in {None, place.region}:
        raise ValueError("The name of the model is one of another region.")
    return Model(name=read.written, base=read.model, family=read.family, place=place)
