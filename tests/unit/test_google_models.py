"""Models on Vertex AI: what their names mean, what is known of them, and where they are called."""

import re
from collections.abc import Mapping

import pytest

from batchway.catalog.google_models import (
    GOOGLE_MODELS,
    GOOGLE_MOST,
    GoogleDialect,
    GoogleModels,
    family_of,
)
from batchway.domain.endpoint import Endpoint
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.providers.google.addresses import jobs_address, online_address
from batchway.providers.google.models import read_model
from batchway.providers.google.place import Place

PLACE = Place(project="p-1", region="us-central1")
HOST = "https://us-central1-aiplatform.googleapis.com/v1/"
HERE = HOST + "projects/p-1/locations/us-central1/"
GOOGLE, CLAUDE = "publishers/google/models/", "publishers/anthropic/models/"
TUNED = "projects/p-1/locations/europe-west4/"
CHAT = Endpoint.CHAT_COMPLETIONS


@pytest.mark.parametrize(
    ("written", "online", "in_jobs"),
    [
        ("gemini-2.5-flash", f"{HERE}{GOOGLE}gemini-2.5-flash:generateContent",
         f"{GOOGLE}gemini-2.5-flash"),
        ("google/gemini-3-pro-preview", f"{HERE}{GOOGLE}gemini-3-pro-preview:generateContent",
         f"{GOOGLE}gemini-3-pro-preview"),
        (f"{GOOGLE}gemini-2.5-pro", f"{HERE}{GOOGLE}gemini-2.5-pro:generateContent",
         f"{GOOGLE}gemini-2.5-pro"),
        ("gemini-embedding-001", f"{HERE}{GOOGLE}gemini-embedding-001:predict",
         f"{GOOGLE}gemini-embedding-001"),
        ("gemini-embedding-2", f"{HERE}{GOOGLE}gemini-embedding-2:embedContent",
         f"{GOOGLE}gemini-embedding-2"),
        ("text-embedding-005", f"{HERE}{GOOGLE}text-embedding-005:predict",
         f"{GOOGLE}text-embedding-005"),
        ("claude-sonnet-4-5@20250929", f"{HERE}{CLAUDE}claude-sonnet-4-5@20250929:rawPredict",
         f"{CLAUDE}claude-sonnet-4-5@20250929"),
        ("anthropic/claude-opus-5", f"{HERE}{CLAUDE}claude-opus-5:rawPredict",
         f"{CLAUDE}claude-opus-5"),
        ("meta/llama-3.3-70b-instruct-maas", f"{HERE}endpoints/openapi/chat/completions",
         "publishers/meta/models/llama-3.3-70b-instruct-maas"),
        ("gpt-oss-120b-maas", f"{HERE}endpoints/openapi/chat/completions",
         "publishers/openai/models/gpt-oss-120b-maas"),
        ("somebody/new-model-maas", f"{HERE}endpoints/openapi/chat/completions", None),
        ("endpoints/123", f"{HERE}endpoints/123:generateContent", None),
        ("models/123", None, "projects/p-1/locations/us-central1/models/123"),
        (f"{TUNED}endpoints/5",
         f"https://europe-west4-aiplatform.googleapis.com/v1/{TUNED}endpoints/5:generateContent",
         None),
        (f"{TUNED}models/5@2", None, f"{TUNED}models/5@2"),
        ("projects/p-1/locations/global/publishers/google/models/gemini-3-flash",
         "https://aiplatform.googleapis.com/v1/projects/p-1/locations/global/publishers/google/models/"
         "gemini-3-flash:generateContent",
         f"{GOOGLE}gemini-3-flash"),
    ],
)  # fmt: skip
def test_a_name(written: str, online: str | None, in_jobs: str | None) -> None:
    model = read_model(written, PLACE, {})
    spoken = model.family.online
    assert (spoken and online_address(model, CHAT, spoken)) == online
    assert (model.in_jobs if model.family.jobs else None) == in_jobs


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        (Endpoint.CHAT_COMPLETIONS, "/chat/completions"),
        (Endpoint.RESPONSES, "/chat/completions"),
        (Endpoint.EMBEDDINGS, "/embeddings"),
    ],
)
def test_open_models_take_openais_endpoints(endpoint: str, path: str) -> None:
    model = read_model("intfloat/multilingual-e5-small-maas", PLACE, {})
    address = online_address(model, endpoint, GoogleDialect.OPENAI)
    assert address == f"{HERE}endpoints/openapi{path}"
    assert model.in_bodies == "intfloat/multilingual-e5-small-maas"


@pytest.mark.parametrize(
    ("written", "configured", "online"),
    [
        ("mine", {"mine": GoogleDialect.GEMINI}, f"{GOOGLE}mine:generateContent"),
        ("mistralai/large", {"mistralai/*": GoogleDialect.OPENAI},
         "endpoints/openapi/chat/completions"),
        ("gemini-2.5-flash", {"gemini-2.5-*": GoogleDialect.OPENAI},
         "endpoints/openapi/chat/completions"),
        ("endpoints/9", {"endpoints/*": GoogleDialect.OPENAI}, "endpoints/9/chat/completions"),
        ("endpoints/9", {"endpoints/9": GoogleDialect.ANTHROPIC}, "endpoints/9:rawPredict"),
    ],
)  # fmt: skip
def test_a_configuration_says_what_a_model_speaks(
    written: str, configured: Mapping[str, GoogleDialect], online: str
) -> None:
    model = read_model(written, PLACE, configured)
    assert model.family.online is not None
    assert online_address(model, CHAT, model.family.online) == HERE + online


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "..",
            "gemini-x/..",
            "gemini-../x",
            "a/./gemini-x",
            "%2e%2e/gemini-x",
            "..\\gemini-x",
        ),
        *("gemini-x:predict", "gemini-x?a=b", "gemini-x#a", "gemini x", "gemini-ü", "gemini-%2f.."),
        *("/gemini-x", "google/", "endpoints/", "endpoints/..", "x-maas", "no-such-model"),
        *(
            "projects/../locations/r/endpoints/1",
            "projects/p-1/locations/r.evil.example/endpoints/1",
        ),
        *("projects/p-1/locations/r:x/endpoints/1", "publishers/google/models/gemini-x/y"),
        "publishers/../models/gemini-x",
        *("projects/q/locations/us-central1/endpoints/1", "projects/p-1%2f../endpoints/1"),
        "projects/q/locations/global/publishers/google/models/gemini-x",
        *("projects/p/locations/us-central1/models/1", "projects/gemini-x", "projects//gemini-x"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"name|model") as caught:
        read_model(written, PLACE, {})
    assert not written.strip("./") or written not in str(caught.value)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_where_a_region_is(region: str, host: str) -> None:
    place = Place(project="p", region=region)
    jobs = f"https://{host}/v1/projects/p/locations/{region}/batchPredictionJobs"
    assert jobs_address(place) == jobs


def test_an_address_of_ones_own_is_for_every_region() -> None:
    place = Place(project="p-1", region="us-east5", base_url="http://127.0.0.1:1")
    elsewhere = place.with_(Overrides(vertex_region="global", vertex_bucket="theirs"))
    assert jobs_address(elsewhere) == (
        "http://127.0.0.1:1/v1/projects/p-1/locations/global/batchPredictionJobs"
    )
    assert (elsewhere.bucket, place.bucket) == ("theirs", None)
    assert place.with_(NO_OVERRIDES) == place
    tuned = read_model(f"{TUNED}endpoints/5", place, {})
    assert online_address(tuned, CHAT, GoogleDialect.GEMINI) == (
        f"http://127.0.0.1:1/v1/{TUNED}endpoints/5:generateContent"
    )


# ----------------------------------------------------------------------------- the catalog


@pytest.mark.parametrize("row", GOOGLE_MODELS, ids=lambda row: row.pattern)
def test_every_row_is_whole(row: GoogleModels) -> None:
    assert row.source.startswith("https://docs.cloud.google.com/")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", row.read)
    assert re.fullmatch(r"[a-z0-9-]*", row.publisher)
    assert row.online is not None
    assert row.endpoints
    assert all(note.endswith(".") for note in row.notes)
    assert 0 < row.max_lines <= GOOGLE_MOST.max_lines
    assert 0 < row.max_bytes <= GOOGLE_MOST.max_bytes
    assert row.jobs is not None or not row.everywhere


@pytest.mark.parametrize(
    ("written", "region", "lines", "endpoints"),
    [
        ("gemini-2.5-flash", "us-central1", 200_000, {CHAT, Endpoint.RESPONSES}),
        ("gemini-2.5-flash", "global", 200_000, {CHAT, Endpoint.RESPONSES}),
        ("gemini-embedding-001", "us-central1", 1_000_000, {Endpoint.EMBEDDINGS}),
        ("gemini-embedding-001", "global", None, set()),
        ("text-embedding-005", "us-central1", 30_000, {Endpoint.EMBEDDINGS}),
        ("text-multilingual-embedding-002", "us-central1", 30_000, {Endpoint.EMBEDDINGS}),
        ("claude-opus-5", "us-east5", 50_000, {CHAT, Endpoint.RESPONSES}),
        ("claude-opus-5", "global", None, set()),
        ("meta/llama-4-scout-17b-16e-instruct-maas", "us-east5", 50_000,
         {CHAT, Endpoint.RESPONSES}),
        ("intfloat/multilingual-e5-large-instruct-maas", "us-central1", 50_000,
         {Endpoint.EMBEDDINGS}),
        ("moonshotai/kimi-k2-thinking-maas", "us-central1", None, set()),
        ("grok-4.3", "us-central1", None, set()),
        ("models/5", "us-central1", 200_000, {CHAT, Endpoint.RESPONSES}),
        ("models/5", "global", None, set()),
        ("endpoints/5", "us-central1", None, set()),
    ],
)  # fmt: skip
def test_what_a_job_holds(
    written: str, region: str, lines: int | None, endpoints: set[Endpoint]
) -> None:
    family = family_of(written, {})
    assert family is not None
    traits = family.traits_at(region)
    assert (traits and traits.max_lines) == lines
    assert (traits.endpoints if traits else set()) == endpoints


def test_nothing_is_known_of_other_names() -> None:
    assert family_of("gpt-4o", {}) is None
    assert family_of("mistralai/mistral-medium-3", {}) is None
