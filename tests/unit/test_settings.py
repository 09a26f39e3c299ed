"""Configuration as tables: (file, environment, flags) -> a value, or the exact problem."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from batchway.catalog.google_models import GoogleDialect
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.routing import Choice
from batchway.settings import (
    AzureOpenAISettings,
    CatalogSettings,
    GoogleVertexSettings,
    OpenAICompatibleSettings,
    OpenAISettings,
    ProviderLimits,
    Settings,
    SettingsError,
    is_loopback,
    load,
)
from batchway.settings.tree import keys


def configure(
    cwd: Path,
    file: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    if file is not None:
        (cwd / "batchway.yaml").write_text(file, encoding="utf-8")
    return load(None, flags or {}, environ or {}, cwd)


def value(settings: object, path: str) -> object:
    for part in path.split("."):
        settings = getattr(settings, part)
    return settings


def test_defaults_need_no_file(tmp_path: Path) -> None:
    data = tmp_path / "batchway-data"
    settings = configure(tmp_path)
    assert settings == Settings(data_dir=data)
    assert settings.database_url == f"sqlite:///{data}/batchway.db"
    assert settings.sqlite_file == data / "batchway.db"
    assert settings.blob_dir == data / "blobs"


@pytest.mark.parametrize(
    ("file", "environ", "flags", "path", "expected"),
    [
        ("server: {port: 1}", {}, {}, "server.port", 1),
        ("server: {port: 1}", {"BATCHWAY_SERVER__PORT": "2"}, {}, "server.port", 2),
        (
            "server: {port: 1}",
            {"BATCHWAY_SERVER__PORT": "2"},
            {"server.port": 3},
            "server.port",
            3,
        ),
        ("server: {port: 1}", {}, {"server.port": None}, "server.port", 1),
        # A section from one place keeps what another says about its other keys.
        ("server: {port: 1}", {"BATCHWAY_SERVER": '{"host": "::1"}'}, {}, "server.port", 1),
        ("server: {port: 1}", {"BATCHWAY_SERVER": "host: '::1'"}, {}, "server.host", "::1"),
        (
            None,
            {"BATCHWAY_SERVER": '{"port": 1}', "BATCHWAY_SERVER__PORT": "2"},
            {},
            "server.port",
            2,
        ),
        # Nothing, in each of the ways to write it.
        ("", {}, {}, "server.port", 8080),
        ("# only a comment", {}, {}, "server.port", 8080),
        ("server:\n  # port: 1\n", {}, {}, "server.port", 8080),
        ("server: {port: }", {"BATCHWAY_SERVER__PORT": ""}, {}, "server.port", 8080),
        ("\ufeffserver: {port: 1}", {}, {}, "server.port", 1),
        # Expansion.
        ("server: {port: '${P}'}", {"P": "7"}, {}, "server.port", 7),
        ("server: {host: '${H:-::1}'}", {}, {}, "server.host", "::1"),
        ("server: {host: '${H:-::1}'}", {"H": ""}, {}, "server.host", "::1"),
        ("server: {host: 'a.${H}.b'}", {"H": "x"}, {}, "server.host", "a.x.b"),
        ("server: {host: '$${H}'}", {}, {}, "server.host", "${H}"),
        # Sizes and numbers.
        ("limits: {max_file_bytes: 5 GiB}", {}, {}, "limits.max_file_bytes", 5 * 2**30),
        ("limits: {max_file_bytes: 1.5k}", {}, {}, "limits.max_file_bytes", 1500),
        ("limits: {max_file_bytes: 1024}", {}, {}, "limits.max_file_bytes", 1024),
        (None, {"BATCHWAY_LIMITS__MAX_LINE_BYTES": "64mib"}, {}, "limits.max_line_bytes", 2**26),
        ("execution: {commit_interval: 0.5}", {}, {}, "execution.commit_interval", 0.5),
        ("logging: {format: json}", {}, {}, "logging.format", "json"),
        # Variables of others that begin like ours.
        (
            None,
            {
                "BATCHWAY_PORT": "tcp://10.0.0.1:8080",
                "BATCHWAY_SERVICE_HOST": "10.0.0.1",
                "BATCHWAY_PORT_8080_TCP_ADDR": "10.0.0.1",
                "BATCHWAY_API_SERVICE_PORT_HTTP": "80",
                "BATCHWAY_URL": "http://x",
                "BATCHWAY_API_KEY": "k",
            },
            {},
            "server.port",
            8080,
        ),
    ],
)
def test_precedence_and_values(
    tmp_path: Path,
    *,
    file: str | None,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
    path: str,
    expected: object,
) -> None:
    assert value(configure(tmp_path, file, environ, flags), path) == expected


def test_providers_of_every_type(tmp_path: Path) -> None:
    settings = configure(
        tmp_path,
        """
        providers:
          - {name: main, type: openai, api_key: "${KEY}", organization: org, project: proj}
          - name: azure-eu
            type: azure-openai
            endpoint: https://x.openai.azure.com/
            api_key: k
            api_version: 2025-04-01
          - name: vllm
            type: openai-compatible
            base_url: http://gpu:8000/v1
            mode: managed
            headers: {X-Team: "${TEAM}"}
            limits: {concurrency: 32, requests_per_minute: 6000, tokens_per_minute: 2000000}
          - name: vertex
            type: google-vertex
            project: my-project
            region: europe-west4
            bucket: my-bucket
            credentials_file: secrets/key.json
            models: {"mine-*": gemini}
            readable: [gs://my-inputs/, "gs://my-bucket/a b/"]
        """,
        {"KEY": "sk-1", "TEAM": "a b"},
    )
    assert settings.providers == (
        OpenAISettings(
            name="main",
            type="openai",
            api_key=SecretStr("sk-1"),
            organization="org",
            project="proj",
        ),
        AzureOpenAISettings(
            name="azure-eu",
            type="azure-openai",
            endpoint="https://x.openai.azure.com",
            api_key=SecretStr("k"),
            api_version="2025-04-01",
        ),
        OpenAICompatibleSettings(
            name="vllm",
            type="openai-compatible",
            base_url="http://gpu:8000/v1",
            mode=Choice.MANAGED,
            headers={"X-Team": SecretStr("a b")},
            limits=ProviderLimits(
                concurrency=32, requests_per_minute=6000, tokens_per_minute=2000000
            ),
        ),
        GoogleVertexSettings(
            name="vertex",
            type="google-vertex",
            project="my-project",
            region="europe-west4",
            bucket="my-bucket",
            credentials_file=tmp_path / "secrets/key.json",
            models={"mine-*": GoogleDialect.GEMINI},
            readable=("gs://my-inputs/", "gs://my-bucket/a b/"),
        ),
    )


@pytest.mark.parametrize(
    ("file", "environ", "expected"),
    [
        (None, {}, ()),
        (None, {"OPENAI_API_KEY": ""}, ()),
        (None, {"AZURE_OPENAI_API_KEY": "k"}, ()),
        (
            None,
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://x/v1"},
            (
                OpenAISettings(
                    name="openai", type="openai", api_key=SecretStr("k"), base_url="http://x/v1"
                ),
            ),
        ),
        (
            None,
            {
                "AZURE_OPENAI_API_KEY": "k",
                "AZURE_OPENAI_ENDPOINT": "https://x",
                "OPENAI_API_VERSION": "v",
            },
            (
                AzureOpenAISettings(
                    name="azure-openai",
                    type="azure-openai",
                    api_key=SecretStr("k"),
                    endpoint="https://x",
                    api_version="v",
                ),
            ),
        ),
        (
            None,
            {"GROQ_API_KEY": "k", "OPENAI_API_KEY": "o"},
            (
                OpenAISettings(name="openai", type="openai", api_key=SecretStr("o")),
                CatalogSettings(name="groq", type="groq", api_key=SecretStr("k")),
            ),
        ),
        (None, {"GOOGLE_CLOUD_PROJECT": "my-project"}, ()),
        (
            None,
            {"GOOGLE_CLOUD_PROJECT": "my-project", "GOOGLE_GENAI_USE_VERTEXAI": "false"},
            (),
        ),
        (
            None,
            {
                "GOOGLE_CLOUD_PROJECT": "my-project",
                "GOOGLE_GENAI_USE_VERTEXAI": "True",
                "GOOGLE_CLOUD_LOCATION": "global",
            },
            (
                GoogleVertexSettings(
                    name="google-vertex",
                    type="google-vertex",
                    project="my-project",
                    region="global",
                ),
            ),
        ),
        # Whoever lists providers means these and no others.
        ("providers: []", {"OPENAI_API_KEY": "k"}, ()),
    ],
)
def test_providers_of_well_known_variables(
    tmp_path: Path, file: str | None, environ: Mapping[str, str], expected: tuple[object, ...]
) -> None:
    assert configure(tmp_path, file, environ).providers == expected


def test_what_a_provider_on_vertex_ai_says_of_names(tmp_path: Path) -> None:
    entry = (
        "{name: v, type: google-vertex, project: ppp, models: {endpoints/1: openai, x-*: gemini}}"
    )
    (found,) = configure(tmp_path, f"providers: [{entry}]").providers
    assert found.known_models == ("endpoints/1", "gemini-embedding-001")
    assert found.model_patterns[:2] == ("x-*", "gemini-embedding-*")
    assert "claude-*" in found.model_patterns


@pytest.mark.parametrize(
    ("more", "model", "overrides", "lines"),
    [
        ("bucket: bbb", "gemini-2.5-flash", NO_OVERRIDES, 200_000),
        ("bucket: bbb", "mine", NO_OVERRIDES, 200_000),
        ("bucket: bbb", "gpt-4o", NO_OVERRIDES, None),
        ("bucket: bbb", "claude-opus-5", NO_OVERRIDES, 50_000),
        ("bucket: bbb", "claude-opus-5", Overrides(vertex_region="global"), None),
        ("bucket: bbb, region: global", "claude-opus-5", NO_OVERRIDES, None),
        # Without a bucket there are jobs only for batches that name one, or where there must be.
        ("mode: auto", "gemini-2.5-flash", NO_OVERRIDES, None),
        ("mode: auto", "gemini-2.5-flash", Overrides(vertex_bucket="bbb"), 200_000),
        ("mode: native", "gemini-2.5-flash", NO_OVERRIDES, 200_000),
    ],
)
def test_what_jobs_of_a_model_on_vertex_ai_hold(
    tmp_path: Path, more: str, model: str, overrides: Overrides, lines: int | None
) -> None:
    entry = f"{{name: v, type: google-vertex, project: ppp, models: {{mine: gemini}}, {more}}}"
    (provider,) = configure(tmp_path, f"providers: [{entry}]").providers
    traits = provider.traits_of(model, overrides)
    assert (traits and traits.max_lines) == lines


UNADDRESSED = "The provider 'v' cannot run it: The name of the model cannot stand in an address."
NO_FORM = "The provider 'v' cannot run it: The name is none of a model on Vertex AI."


@pytest.mark.parametrize(
    ("model", "endpoint", "why"),
    [
        ("gemini-2.5-flash", "/v1/chat/completions", None),
        ("gemini-2.5-flash", "/v1/responses", None),
        ("mine", "/v1/chat/completions", None),
        (
            "gemini-2.5-flash",
            "/v1/embeddings",
            "The provider 'v' runs it with /v1/chat/completions and /v1/responses only.",
        ),
        (
            "text-embedding-005",
            "/v1/responses",
            "The provider 'v' runs it with /v1/embeddings only.",
        ),
        ("projects/ppp/locations/us-east5/endpoints/1", "/v1/chat/completions", None),
        (
            "projects/other/locations/us-east5/endpoints/1",
            "/v1/chat/completions",
            "The provider 'v' runs models of its own project 'ppp' only: a tuned one is named "
            "endpoints/ID there, or models/ID in jobs.",
        ),
        (
            "gpt-4o",
            "/v1/chat/completions",
            "It is none that the provider 'v' knows on Vertex AI: check its name, or say what it "
            "speaks in the provider's `models`.",
        ),
        *((model, "/v1/chat/completions", UNADDRESSED) for model in (
            "gemini-2.5-flash:x", "gemini-2.5-flash?x=1", "google/gemini-2.5-flash#",
            "gemini-2.5 flash", "gemini-\x00", "gemini-\u00e9", "endpoints/..",
            "projects/ppp/locations/evil.com/publishers/google/models/gemini-2.5-flash",
        )),
        *((model, "/v1/chat/completions", NO_FORM) for model in (
            "a/b/gemini-2.5-flash", "/".join("a" * 400) + "/gemini-2.5-flash",
        )),
        (
            "x-maas",
            "/v1/chat/completions",
            "The provider 'v' cannot run it: The name of the model says no publisher: write it as "
            "publisher/model.",
        ),
    ],
)  # fmt: skip
def test_what_vertex_ai_runs_at_all(
    tmp_path: Path, model: str, endpoint: str, why: str | None
) -> None:
    entry = "{name: v, type: google-vertex, project: ppp, models: {mine: gemini}}"
    (provider,) = configure(tmp_path, f"providers: [{entry}]").providers
    assert provider.objection(model, endpoint) == why


def test_settings_do_not_show_secrets(tmp_path: Path) -> None:
    settings = configure(
        tmp_path,
        "database: postgresql://u:hunter2@h/d\n"
        "providers: [{name: a, type: openai, api_key: hunter2}]\n"
        "auth: {keys: [{name: k, key: hunter2}]}",
    )
    assert "hunter2" not in repr(settings)
    assert settings.database_url == "postgresql://u:hunter2@h/d"
    assert settings.sqlite_file is None


def test_relative_paths_start_at_the_working_directory(tmp_path: Path) -> None:
    settings = configure(
        tmp_path, "data_dir: d\ndatabase: sqlite:///x/y.db\nblobs: ~/b", {"HOME": "/home/me"}
    )
    assert settings.data_dir == tmp_path / "d"
    assert settings.sqlite_file == tmp_path / "x/y.db"
    assert settings.blob_dir == Path("/home/me/b")


def test_a_named_file_wins_and_must_exist(tmp_path: Path) -> None:
    (tmp_path / "batchway.yaml").write_text("server: {port: 1}")
    (tmp_path / "two.yaml").write_text("server: {port: 2}")
    (tmp_path / "three.yaml").write_text("server: {port: 3}")
    environ = {"BATCHWAY_CONFIG": "two.yaml"}
    assert load(None, {}, environ, tmp_path).server.port == 2
    assert load(Path("three.yaml"), {}, environ, tmp_path).server.port == 3
    with pytest.raises(SettingsError) as caught:
        load(Path("four.yaml"), {}, {}, tmp_path)
    assert str(caught.value) == "There is no configuration file at four.yaml."
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, {}, {}, tmp_path)
    assert str(caught.value) == (
        f"The configuration file {tmp_path} cannot be read: Is a directory."
    )


def test_every_setting_is_described_and_settable_by_environment(tmp_path: Path) -> None:
    found = list(keys())
    assert [key.path for key in found if not key.field.description] == []
    # What is not inside a list has a variable of its own, and `load` knows each of them.
    plain = [key for key in found if "[]" not in key.path]
    assert [key.path for key in plain if key.env is None] == []
    environ = {key.env: "{}" if key.section else "" for key in plain if key.env is not None}
    environ |= {"BATCHWAY_PROVIDERS": "[]", "BATCHWAY_ROUTES": "[]", "BATCHWAY_AUTH__KEYS": "[]"}
    assert configure(tmp_path, None, environ) == configure(tmp_path)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.1.1", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
