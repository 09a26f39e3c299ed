"""The account that settings of Vertex AI describe. Imported where one is configured."""

from batchway.ports import Account, Clock
from batchway.providers.google.account import VertexAccount
from batchway.providers.google.batches import VertexBatches
from batchway.providers.google.credentials import google_tokens
from batchway.providers.google.place import Place
from batchway.settings import GoogleVertexSettings


def vertex_account(settings: GoogleVertexSettings, *, clock: Clock) -> Account:
    """The project, and its batch API with the same tokens. Raises `ValueError` as `new_account`."""
    name, models = settings.name, settings.models
    place = Place(
        project=settings.project,
        region=settings.region,
        bucket=settings.bucket,
        prefix=settings.prefix,
        base_url=settings.own_address,
        storage_url=settings.storage_url,
        readable=settings.readable,
    )
    tokens = google_tokens(
        provider=name, clock=clock, file=settings.credentials_file, token_url=settings.token_url
    )
    batches = VertexBatches(name=name, place=place, tokens=tokens, models=models, clock=clock)
    return VertexAccount(name=name, place=place, tokens=tokens, models=models, batches=batches)
