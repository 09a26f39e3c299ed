"""Mistakes in the configuration as tables: (file, environment) -> the exact problems."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from batchway.catalog.openai_family import CATALOG
from batchway.settings import Settings, SettingsError, load

OPENAI = "{name: a, type: openai, api_key: sk-secret}"
OWN_TYPES = (
    "openai",
    "azure-openai",
    "google-vertex",
    "aws-bedrock",
    "openai-compatible",
    "python",
)
TYPES = ", ".join(repr(name) for name in (*OWN_TYPES, *CATALOG))
VERTEX = "{name: v, type: google-vertex, project: my-project"
AZURE = "{name: a, type: azure-openai, endpoint: 'https://x'"
VLLM = "{name: vllm, type: openai-compatible, base_url: 'http://gpu:8000/v1'}"


def configure(
    cwd: Path,
    file: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    if file is not None:
        (cwd / "batchway.yaml").write_text(file, encoding="utf-8")
    return load(None, flags or {}, environ or {}, cwd)


def problems(
    cwd: Path,
    file: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        configure(cwd, file, environ, flags)
    return caught.value.problems


@pytest.mark.parametrize(
    ("file", "environ", "expected"),
    [
        # -- the file itself
        (
            "server: [",
            {},
            ["batchway.yaml, line 1, column 10: not valid YAML: expected the node content, but "
             "found '<stream end>'."],
        ),
        (
            "server:\n  port: 1\n host: x",
            {},
            ["batchway.yaml, line 3, column 2: not valid YAML: expected <block end>, but found "
             "'<block mapping start>'."],
        ),
        ("- a", {}, ["batchway.yaml: must hold settings as 'name: value' lines."]),
        ("a: &x [*x]", {}, ["batchway.yaml: not valid YAML: an alias that contains itself."]),
        ("server: {port: 1}\nserver: {}", {}, ["batchway.yaml, line 2: 'server' appears twice."]),
        (
            "server: {1: 2}",
            {},
            ["server: the key 1 must be text; put it in quotes (batchway.yaml)."],
        ),
        # -- unknown keys
        (
            "server: {prot: 1}",
            {},
            ["server.prot: unknown setting; did you mean 'server.port'? (batchway.yaml, line 1)."],
        ),
        (
            "port: 1",
            {},
            ["port: unknown setting; did you mean 'server.port'? (batchway.yaml, line 1)."],
        ),
        (
            f"providers:\n  - {VLLM[:-1]}, limits: {{concurency: 1}}}}",
            {},
            ["providers[0].limits.concurency: unknown setting; did you mean "
             "'providers[0].limits.concurrency'? (batchway.yaml, line 2)."],
        ),
        (
            None,
            {"BATCHWAY_SERVER__PROT": "1"},
            ["BATCHWAY_SERVER__PROT: no setting has this environment variable; did you mean "
             "'BATCHWAY_SERVER__PORT'?"],
        ),
        (
            None,
            {"BATCHWAY_PORT": "1"},
            ["BATCHWAY_PORT: no setting has this environment variable; did you mean "
             "'BATCHWAY_SERVER__PORT'?"],
        ),
        # -- types and ranges, with where they came from
        (
            "server: {port: 70000}",
            {},
            ["server.port: must be at most 65535, not 70000 (batchway.yaml, line 1)."],
        ),
        (
            "server: {port: yes}",
            {},
            ["server.port: must be a number, not true (batchway.yaml, line 1)."],
        ),
        (
            None,
            {"BATCHWAY_SERVER__PORT": "http"},
            ["server.port: must be a whole number, not 'http' (BATCHWAY_SERVER__PORT)."],
        ),
        (
            None,
            {"BATCHWAY_PROVIDERS": "[{"},
            ["BATCHWAY_PROVIDERS: must be JSON or YAML, such as '[...]' or '{...}'."],
        ),
        (
            "limits: {max_file_bytes: 2 apples}",
            {},
            ["limits.max_file_bytes: must be a size such as 64MiB or 2GiB, not '2 apples' "
             "(batchway.yaml, line 1)."],
        ),
        (
            "logging: {level: loud}",
            {},
            ["logging.level: must be 'debug', 'info', 'warning' or 'error', not 'loud' "
             "(batchway.yaml, line 1)."],
        ),
        (
            "logging: json",
            {},
            ["logging: must hold settings as 'name: value', not 'json' (batchway.yaml, line 1)."],
        ),
        (
            "execution: {commit_interval: .inf}",
            {},
            ["execution.commit_interval: must be a finite number, not inf "
             "(batchway.yaml, line 1)."],
        ),
        (
            "database: mysql://u:hunter2@h/d",
            {},
            ["database: must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE "
             "(batchway.yaml, line 1)."],
        ),
        (
            "blobs: s3://bucket",
            {},
            ["blobs: must be a directory; object stores are not supported yet, not "
             "'s3://bucket' (batchway.yaml, line 1)."],
        ),
        # -- providers
        (
            "providers:\n  - {name: a/b, type: openai, api_key: k}",
            {},
            ["providers[0].name: must be 1 to 64 letters, digits, dots, underscores or hyphens, "
             "not 'a/b' (batchway.yaml, line 2)."],
        ),
        (
            "providers:\n  - {name: a, type: openai}",
            {},
            ["providers[0].api_key: required for a provider of type 'openai' "
             "(batchway.yaml, line 2)."],
        ),
        (
            "providers:\n  - {name: a}",
            {},
            [f"providers[0].type: required; one of {TYPES} (batchway.yaml, line 2)."],
        ),
        (
            "providers:\n  - {name: a, type: vertex}",
            {},
            [f"providers[0].type: must be one of {TYPES}, not 'vertex' (batchway.yaml, line 2)."],
        ),
        (
            f"providers:\n  - {VLLM[:-1]}, mode: native}}",
            {},
            ["providers[0].mode: must be 'managed', not 'native' (batchway.yaml, line 2)."],
        ),
        (
            f"providers:\n  - {VLLM[:-1]}, limits: {{concurrency: fast}}}}",
            {},
            ["providers[0].limits.concurrency: must be 'auto' or a whole number of at least 1, "
             "not 'fast' (batchway.yaml, line 2)."],
        ),
        (
            "execution: {sending_processes: 17}",
            {"BATCHWAY_EXECUTION__SENDING_PROCESSES": "-1"},
            ["execution.sending_processes: must be 'auto' or a whole number from 0 to 16, not "
             "'-1' (BATCHWAY_EXECUTION__SENDING_PROCESSES)."],
        ),
        (
            "execution: {sending_processes: 17}",
            {},
            ["execution.sending_processes: must be 'auto' or a whole number from 0 to 16, not 17 "
             "(batchway.yaml, line 1)."],
        ),
        (
            "providers:\n  - {name: a, type: openai-compatible, base_url: gpu:8000}",
            {},
            ["providers[0].base_url: must be a URL such as https://api.example.com/v1, not "
             "'gpu:8000' (batchway.yaml, line 2)."],
        ),
        (
            None,
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "ftp://x"},
            ["providers[0].base_url: must be a URL such as https://api.example.com/v1, not "
             "'ftp://x' (OPENAI_BASE_URL)."],
        ),
        (
            f"providers:\n  - {VLLM[:-1]}, headers: {{Host: x}}}}",
            {},
            ["providers[0].headers: 'Host' is a header that Batchway sets itself "
             "(batchway.yaml, line 2)."],
        ),
        (
            f"providers:\n  - {OPENAI}\n  - {OPENAI}",
            {},
            ["providers[1].name: another provider is named 'a' as well (batchway.yaml, line 3)."],
        ),
        (
            "providers:\n  - {name: a, type: groq}",
            {},
            ["providers[0].api_key: required for a provider of type 'groq' "
             "(batchway.yaml, line 2)."],
        ),
        (
            f"providers:\n  - {OPENAI[:-1]}, mode: batch}}",
            {},
            ["providers[0].mode: must be 'managed', 'native' or 'auto', not 'batch' "
             "(batchway.yaml, line 2)."],
        ),
        (
            f"providers:\n  - {AZURE}}}",
            {},
            ["providers[0].api_key: required, unless `auth: entra` is set "
             "(batchway.yaml, line 2)."],
        ),
        (
            f"providers:\n  - {AZURE}, api_key: k, auth: entra}}",
            {},
            ["providers[0].auth: must not be set beside api_key (batchway.yaml, line 2)."],
        ),
        (
            f"providers:\n  - {AZURE}, api_key: k, client_id: c}}",
            {},
            ["providers[0].auth: must be 'entra' when an application is named "
             "(batchway.yaml, line 2)."],
        ),
        (
            f"providers:\n  - {AZURE}, auth: entra, tenant_id: t}}",
            {},
            ["providers[0].client_id: an application needs tenant_id, client_id and "
             "client_secret (batchway.yaml, line 2)."],
        ),
        (
            "providers:\n  - {name: v, type: google-vertex}",
            {},
            ["providers[0].project: required for a provider of type 'google-vertex' "
             "(batchway.yaml, line 2)."],
        ),
        (
            "providers:\n  - {name: v, type: google-vertex, project: My Project}",
            {},
            ["providers[0].project: must be the id or the number of a project, such as "
             "'my-project-123', not 'My Project' (batchway.yaml, line 2)."],
        ),
        (
            f"providers:\n  - {VERTEX}, region: evil.example/, bucket: 'gs://b', prefix: '../x', "
            'credentials_file: "a\\0b", base_url: x}',
            {},
            ["providers[0].region: must be a region such as 'europe-west4', or 'global', 'us' "
             "or 'eu', not 'evil.example/' (batchway.yaml, line 2).",
             "providers[0].bucket: must be the name of a bucket, without gs:// and without a path, "
             "not 'gs://b' (batchway.yaml, line 2).",
             "providers[0].prefix: must be names of letters, digits, '.', '_' and '-', with '/' "
             "between, not '../x' (batchway.yaml, line 2).",
             "providers[0].credentials_file: must not hold a NUL character, not 'a\\x00b' "
             "(batchway.yaml, line 2).",
             "providers[0].base_url: must be a URL such as https://api.example.com/v1, not 'x' "
             "(batchway.yaml, line 2)."],
        ),
        *(
            (
                f"providers:\n  - {VERTEX}, readable: ['gs://b-1/', '{address}']}}",
                {},
                ["providers[0].readable[1]: must be an address such as gs://bucket/prefix/, with "
                 f"'/' at its end, not '{address}' (batchway.yaml, line 2)."],
            )
            for address in ("gs://my-bucket", "gs://my-bucket/prefix", "gs:///", "s3://b-1/",
                            "gs://B/x/", "my-bucket/")
        ),
        (
            f"providers:\n  - {VERTEX}, models: {{x: openai, y: palm}}}}",
            {},
            ["providers[0].models.y: must be 'gemini', 'gemini-embedding', 'text-embedding', "
             "'anthropic' or 'openai', not 'palm' (batchway.yaml, line 2)."],
        ),
        (
            f"providers:\n  - {VERTEX}}}\nroutes:\n  - model: r\n    targets: [{{provider: "
            "v, model: 'gemini-2.5-flash:x'}, {provider: v, model: gpt-4o}]",
            {},
            ["routes[0].targets[0].model: cannot be run by the provider 'v': The name of the model "
             "cannot stand in an address (batchway.yaml, line 5).",
             "routes[0].targets[1].model: cannot be run by the provider 'v': Nothing is known of a "
             "model of this name on Vertex AI: check its name, or say what it speaks in the "
             "provider's `models` (batchway.yaml, line 5)."],
        ),
        (
            f"providers:\n  - {VERTEX}, api_key: k}}",
            {},
            ["providers[0].api_key: unknown setting for a provider of type 'google-vertex'; known "
             "here: name, limits, mode, native, type, project, region, bucket, prefix, "
             "credentials_file, models, readable, base_url, storage_url, token_url "
             "(batchway.yaml, line 2)."],
        ),
        (
            f"providers:\n  - {OPENAI[:-1]}, native: {{poll_min: 90, max_lines: 50001}}}}",
            {},
            ["providers[0].native.poll_min: must not be above poll_max, which is 60 "
             "(batchway.yaml, line 2).",
             "providers[0].native.max_lines: must not be above 50000, which is the provider's "
             "limit (batchway.yaml, line 2)."],
        ),
        # -- what must fit together
        (
            f"providers: [{OPENAI}, {VLLM}]\nroutes:\n  - model: m\n    mode: native\n"
            "    targets:\n      - {provider: a, model: x}\n      - {provider: vllm, model: x}",
            {},
            ["routes[0].mode: the provider 'vllm' has no batch API: use 'managed' or 'auto' "
             "(batchway.yaml, line 4)."],
        ),
        (
            f"providers: [{OPENAI[:-1]}, mode: native}}, {VLLM}]\nroutes:\n  - model: m\n"
            "    targets:\n      - {provider: a, model: x}\n      - {provider: vllm, model: x}",
            {},
            ["routes[0].targets: some of the providers are to run natively and some managed: "
             "set the route's own mode, or make one kind fallbacks (batchway.yaml, line 4)."],
        ),
        (
            f"providers: [{OPENAI}]\nroutes:\n  - model: m\n    targets:\n"
            "      - {provider: b, model: x}",
            {},
            ["routes[0].targets[0].provider: no provider is named 'b'; configured: 'a' "
             "(batchway.yaml, line 5)."],
        ),
        (
            "routes: [{model: m, targets: []}]",
            {},
            ["routes[0].targets: must not be empty (batchway.yaml, line 1)."],
        ),
        (
            "auth: {keys: [{name: k, tenant: t, key: s, providers: [b]}]}",
            {},
            ["auth.keys[0].providers: no provider is named 'b'; configured: none "
             "(batchway.yaml, line 1)."],
        ),
        (
            "auth:\n  keys:\n    - {name: k, key: s1}\n    - {name: k, key: s1}",
            {},
            ["auth.keys[1].name: another key is named 'k' as well (batchway.yaml, line 4).",
             "auth.keys[1].key: another entry has the same key (batchway.yaml, line 4)."],
        ),
        (
            "execution: {shard_lines_min: 20000}",
            {},
            ["execution.shard_lines_min: must not be above shard_lines_max, which is 10000 "
             "(batchway.yaml, line 1)."],
        ),
        # -- expansion
        (
            "server: {host: '${HOSTNAME_X}'}",
            {},
            ["server.host: the environment variable HOSTNAME_X is not set "
             "(batchway.yaml, line 1)."],
        ),
        (
            "server: {host: '${1}'}",
            {},
            ["server.host: '${' must begin ${NAME} or ${NAME:-default}; write '$${' for the "
             "characters themselves (batchway.yaml, line 1)."],
        ),
    ],
)  # fmt: skip
def test_problems(
    tmp_path: Path, file: str | None, environ: Mapping[str, str], expected: list[str]
) -> None:
    assert list(problems(tmp_path, file, environ)) == expected


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        configure(tmp_path, "server: {port: x}\nlimits: {max_lines: 0}\nspeed: 11")
    assert str(caught.value) == (
        "The configuration has 3 problems:\n"
        "  - server.port: must be a whole number, not 'x' (batchway.yaml, line 1).\n"
        "  - limits.max_lines: must be at least 1, not 0 (batchway.yaml, line 2).\n"
        "  - speed: unknown setting; known here: data_dir, database, blobs, server, auth, "
        "providers, routes, limits, execution, logging (batchway.yaml, line 3)."
    )


@pytest.mark.parametrize(
    "file",
    [
        "providers: [{name: a, type: openai, api_key: 'hunter 2'}]",
        "providers: [{name: a, type: openai, api_key: [hunter2]}]",
        "providers: [{name: a, type: openai, api_key: '${SECRET}', mode: x}]",
        "providers: [{name: a, type: openai, api_key: k, base_url: 'http://u:hunter2@h'}]",
        "providers: [{name: '${SECRET}/', type: openai, api_key: k}]",
        "providers: [{name: a, type: openai-compatible, base_url: 'http://h', "
        'headers: {X-Key: "hunter2\\n"}}]',
        "database: oracle://u:hunter2@h/d",
        "auth: {keys: [{name: a, key: hunter2}, {name: b, key: hunter2}]}",
        "server: {port: '${SECRET}'}",
    ],
)
def test_secrets_are_never_shown(tmp_path: Path, file: str) -> None:
    with pytest.raises(SettingsError) as caught:
        configure(tmp_path, file, {"SECRET": "hunter2"})
    shown = [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    assert not [text for text in shown if "hunter" in text]


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "batchway.yaml").write_bytes(b"server:\n  host: \xff\n")
    with pytest.raises(SettingsError) as caught:
        load(None, {}, {}, tmp_path)
    assert str(caught.value) == "batchway.yaml, line 2: not valid UTF-8."


def test_a_file_nested_without_end(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "[" * 5000)
    assert problem.startswith("batchway.yaml: not valid YAML: ")
