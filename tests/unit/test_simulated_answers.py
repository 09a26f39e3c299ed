"""The simulator's pure parts: what it answers, what `verify` catches, how its dials are read."""

import copy
import random
from collections import Counter
from typing import Any

import pytest

from batchway.simulator.online import (
    InvalidSettings,
    SimulatorSettings,
    errors,
    expected_embedding,
    expected_moderation,
    expected_text,
    prompt_digest,
    verify,
)
from batchway.simulator.online.answers import answer, model_of
from batchway.simulator.online.behaviour import Behaviour, Plan
from batchway.simulator.online.endpoints import Endpoint, endpoint_named
from batchway.simulator.online.errors import Refusal
from batchway.simulator.online.fates import Answered, Broken, Fate, Fault, Refused
from batchway.simulator.online.latency import (
    Exponential,
    Fixed,
    Latency,
    LogNormal,
    Uniform,
    parse_latency,
    sample,
)
from batchway.simulator.online.limits import Exceeded, Limits, duration, retry_headers
from batchway.simulator.online.shapes import render
from batchway.simulator.online.validation import refuse

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "How many clips?"}]}
DIGEST = "062ecb193680e8ea"

BODIES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", {**CHAT, "n": 3, "max_tokens": 5}),
    ("/v1/responses", {"model": "m", "input": "How many clips?", "instructions": "Be brief."}),
    ("/v1/responses", {"model": "m", "input": "How many clips?", "max_output_tokens": 3}),
    ("/v1/completions", {"model": "m", "prompt": ["one", "two"], "n": 2}),
    ("/v1/embeddings", {"model": "m", "input": ["one", "two"], "dimensions": 16}),
    ("/v1/embeddings", {"model": "m", "input": [[1, 2, 3], [4]], "encoding_format": "base64"}),
    ("/v1/moderations", {"input": ["one", "two"]}),
]


def respond(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """The response body that the server would send, without the server."""
    endpoint = endpoint_named(url)
    model = model_of(endpoint, body)
    right = answer(endpoint, body, model=model)
    return render(endpoint, right, body=body, model=model, unique="0" * 32, created=1)


def test_a_text_starts_with_its_digest_and_ends_with_a_number() -> None:
    text = expected_text("/v1/chat/completions", CHAT)
    assert prompt_digest("/v1/chat/completions", CHAT) == DIGEST
    assert text.startswith(f"[{DIGEST}] ")
    last = text.splitlines()[-1]
    assert last.startswith("#### ")
    assert 0 <= int(last.removeprefix("#### ")) < 1000


@pytest.mark.parametrize(
    "body",
    [
        {**CHAT, "temperature": 1.5, "seed": 4},
        {"messages": [{"content": "How many clips?", "role": "user"}], "model": "m"},
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "How many clips?"}]}
            ],
        },
    ],
)
def test_bodies_that_ask_the_same_get_the_same(body: dict[str, Any]) -> None:
    assert expected_text("chat/completions", body) == expected_text("chat/completions", CHAT)


@pytest.mark.parametrize(
    "body",
    [
        {**CHAT, "model": "n"},
        {**CHAT, "messages": [{"role": "system", "content": "How many clips?"}]},
        {**CHAT, "messages": [{"role": "user", "content": "How many clips? "}]},
        {**CHAT, "messages": [*CHAT["messages"], {"role": "user", "content": "Well?"}]},
    ],
)
def test_bodies_that_ask_something_else_get_something_else(body: dict[str, Any]) -> None:
    assert prompt_digest("chat/completions", body) != DIGEST


def test_an_upstream_model_can_be_named() -> None:
    renamed = {**CHAT, "model": "upstream"}
    assert expected_text("chat/completions", CHAT, model="upstream") == expected_text(
        "chat/completions", renamed
    )
    assert verify("chat/completions", CHAT, respond("chat/completions", renamed)) is not None
    assert (
        verify("chat/completions", CHAT, respond("chat/completions", renamed), model="upstream")
        is None
    )


@pytest.mark.parametrize(
    ("url", "body", "cap"),
    [
        ("chat/completions", CHAT, "max_tokens"),
        ("chat/completions", CHAT, "max_completion_tokens"),
        ("responses", {"model": "m", "input": "How many clips?"}, "max_output_tokens"),
        ("completions", {"model": "m", "prompt": "How many clips?"}, "max_tokens"),
    ],
)
def test_a_cap_keeps_the_digest(url: str, body: dict[str, Any], cap: str) -> None:
    digest = prompt_digest(url, body)
    endpoint = endpoint_named(url)
    whole = answer(endpoint, body, model="m").outputs[0]
    one, five, enough = (
        answer(endpoint, {**body, cap: size}, model="m").outputs[0] for size in (1, 5, whole.tokens)
    )
    assert (one.text, one.tokens, one.finish) == (f"[{digest}]", 1, "length")
    assert (five.text.count(" "), five.tokens, five.finish) == (4, 5, "length")
    assert enough == whole
    assert whole.finish == "stop"


def test_an_embedding_is_a_unit_vector_of_its_text() -> None:
    vector = expected_embedding("one", "m")
    assert len(vector) == 8
    assert len(expected_embedding("one", "m", 1536)) == 1536
    assert sum(number * number for number in vector) == pytest.approx(1, abs=1e-6)
    assert vector == expected_embedding("one", "m")
    assert vector != expected_embedding("two", "m") != expected_embedding("two", "n")


def test_a_moderation_flags_the_category_above_one_half() -> None:
    results = [expected_moderation(f"text {index}") for index in range(200)]
    for result in results:
        over = [name for name, score in result["category_scores"].items() if score >= 0.5]
        assert over == [name for name, hit in result["categories"].items() if hit]
        assert result["flagged"] == (len(over) == 1)
    assert 5 < sum(result["flagged"] for result in results) < 60


@pytest.mark.parametrize(("url", "body"), BODIES)
def test_verify_accepts_the_right_answer(url: str, body: dict[str, Any]) -> None:
    response = respond(url, body)
    assert verify(url, body, response) is None
    assert verify(url, body, {**response, "id": "other", "further": 1}) is None


@pytest.mark.parametrize(("url", "body"), BODIES)
def test_verify_catches_a_swapped_answer(url: str, body: dict[str, Any]) -> None:
    other = copy.deepcopy(body)
    match endpoint_named(url):
        case Endpoint.CHAT:
            other["messages"] = [{"role": "user", "content": "How many slips?"}]
        case Endpoint.COMPLETIONS:
            other["prompt"] = ["two", "one"]
        case Endpoint.RESPONSES:
            other["input"] = "How many slips?"
        case Endpoint.EMBEDDINGS | Endpoint.MODERATIONS:
            other["input"] = other["input"][::-1]
    difference = verify(url, body, respond(url, other))
    assert difference is not None
    assert difference.startswith("The ")


def _set(response: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    changed: Any = copy.deepcopy(response)
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    inner = changed
    for key in parents:
        inner = inner[key]
    inner[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "difference"),
    [
        (
            "choices.0.message.content",
            "Hello",
            f"The text should be ['[{DIGEST}] beacon orchard cedar flint saddle amber… "
            "and is ['Hello'].",
        ),
        (
            "choices.0.finish_reason",
            "length",
            "The finish reason should be ['stop'] and is ['length'].",
        ),
        ("usage.prompt_tokens", 7, "The prompt tokens should be 6 and is 7."),
        (
            "choices",
            [],
            f"The text should be ['[{DIGEST}] beacon orchard cedar flint saddle amber… and is [].",
        ),
        ("choices.0", {}, "The response lacks the shape of chat/completions (KeyError('index'))."),
        ("error", {"code": "x"}, "The response is an error: {'code': 'x'}."),
    ],
)
def test_verify_says_what_differs(path: str, value: object, difference: str) -> None:
    response = respond("chat/completions", CHAT)
    assert verify("chat/completions", CHAT, _set(response, path, value)) == difference


@pytest.mark.parametrize(
    ("endpoint", "body", "refusal"),
    [
        (Endpoint.CHAT, [], errors.NOT_JSON),
        (Endpoint.CHAT, {"messages": []}, errors.MODEL_MISSING),
        (Endpoint.CHAT, {**CHAT, "model": 1}, errors.wrong_type("model", "a string", "an integer")),
        (Endpoint.CHAT, {**CHAT, "stream": True}, errors.STREAMING),
        (Endpoint.CHAT, {"model": "m"}, errors.missing("messages")),
        (Endpoint.CHAT, {"model": "m", "messages": []}, errors.empty_array("messages")),
        (
            Endpoint.CHAT,
            {"model": "m", "messages": "hi"},
            errors.wrong_type("messages", "an array of objects", "a string"),
        ),
        (
            Endpoint.CHAT,
            {"model": "m", "messages": ["hi"]},
            errors.wrong_type("messages[0]", "an object", "a string"),
        ),
        (Endpoint.CHAT, {"model": "m", "messages": [{}]}, errors.missing("messages[0].role")),
        (Endpoint.CHAT, {**CHAT, "max_tokens": 0}, errors.too_small("max_tokens", 0)),
        (Endpoint.CHAT, {**CHAT, "n": 129}, errors.too_big("n", 129, 128)),
        (Endpoint.CHAT, {**CHAT, "n": True}, errors.wrong_type("n", "an integer", "a boolean")),
        (Endpoint.RESPONSES, {"model": "m"}, errors.missing("input")),
        (
            Endpoint.RESPONSES,
            {"model": "m", "input": 1.5},
            errors.wrong_type("input", "one of a string or array", "a decimal"),
        ),
        (Endpoint.COMPLETIONS, {"model": "m"}, errors.missing("prompt")),
        (Endpoint.EMBEDDINGS, {"model": "m", "input": []}, errors.empty_array("input")),
        (Endpoint.MODERATIONS, {"input": "x"}, None),
        (Endpoint.CHAT, CHAT, None),
    ],
)
def test_bodies_are_refused_as_openai_does(
    endpoint: Endpoint, body: object, refusal: Refusal | None
) -> None:
    assert refuse(endpoint, body, model_in_path=False) == refusal


def test_a_deployment_in_the_path_stands_for_the_model() -> None:
    assert refuse(Endpoint.CHAT, {"messages": CHAT["messages"]}, model_in_path=True) is None


def test_verify_takes_whatever_came_back() -> None:
    assert verify("chat/completions", CHAT, None) == "The response is not an object but None."


def test_verify_knows_only_its_endpoints() -> None:
    with pytest.raises(ValueError, match="images/generations"):
        verify("/v1/images/generations", {}, {})


@pytest.mark.parametrize(
    ("text", "latency"),
    [
        ("0.2", Fixed(seconds=0.2)),
        ("fixed:0", Fixed(seconds=0)),
        ("uniform:0.1,0.3", Uniform(low=0.1, high=0.3)),
        ("lognormal:0.5, 0.8", LogNormal(median=0.5, sigma=0.8)),
        ("exponential:1.5", Exponential(mean=1.5)),
    ],
)
def test_latencies_are_read(text: str, latency: Latency) -> None:
    assert parse_latency(text) == latency
    assert SimulatorSettings(latency=text).latency == text
    assert sample(latency, random.Random(1)) >= 0


def test_latencies_have_the_location_they_name() -> None:
    dice = random.Random(1)

    def middle(latency: Latency) -> float:
        return sorted(sample(latency, dice) for _ in range(2001))[1000]

    assert middle(LogNormal(median=0.5, sigma=0.8)) == pytest.approx(0.5, rel=0.1)
    assert middle(Uniform(low=0.1, high=0.3)) == pytest.approx(0.2, rel=0.1)
    assert middle(Exponential(mean=1)) == pytest.approx(0.693, rel=0.1)


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"latency": "normal:1,2"}, "latency: latency 'normal:1,2' is not one of"),
        ({"latency": "fixed:-1"}, "latency: latency 'fixed:-1' holds a number that is negative"),
        ({"latency": "uniform:3,1"}, "its low end above its high end"),
        ({"error_rate": 1.5}, "error_rate: Input should be less than or equal to 1"),
        ({"capacity": 0}, "capacity: Input should be greater than or equal to 1"),
        ({"status_rates": {"200": 0.5}}, "status_rates: '200' is not a fate; expected a status"),
        ({"status_rates": "500"}, "status_rates: '500' is not name=value"),
        ({"fail_prompts": {"x": "explode"}}, "fail_prompts: 'explode' is not a fate"),
        ({"fail_prompts": {"": "500"}}, "an empty text would match every prompt"),
        ({"error_rate": 0.7, "hang_rate": 0.7}, "settings: the rates add up to 1.4"),
        ({"speed": 1}, "speed: Extra inputs are not permitted"),
    ],
)
def test_dials_are_validated(dials: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        SimulatorSettings.parse(dials)
    assert message in str(refused.value)


def test_dials_are_read_from_flags() -> None:
    assert SimulatorSettings.parse(
        {
            "models": "a, b",
            "status_rates": "500=0.01,429=0.05",
            "fail_prompts": "a=b=hang",
            "seed": "5",
        }
    ) == SimulatorSettings(
        models=("a", "b"),
        status_rates={500: 0.01, 429: 0.05},
        fail_prompts={"a=b": "hang"},
        seed=5,
    )


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ([], "settings: expected a JSON object of dials"),
        ({"port": 1}, "port: cannot change while the simulator runs"),
        ({"capacity": -1}, "capacity: Input should be greater than or equal to 1"),
    ],
)
def test_patches_are_validated(patch: object, message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        SimulatorSettings().patched(patch)


def plans(settings: SimulatorSettings, *contents: str) -> list[Plan]:
    behaviour = Behaviour(settings, dice=random.Random(1), attempts=Counter())
    return [
        behaviour.plan(
            answer(
                Endpoint.CHAT,
                {"messages": [{"role": "user", "content": content}]},
                model="m",
            )
        )
        for content in contents
    ]


@pytest.mark.parametrize(
    ("contents", "fates"),
    [
        (["[[500]]"] * 3, [Refused(status=500)] * 3),
        (["x [[429*2]]"] * 3, [Refused(status=429), Refused(status=429), Answered()]),
        (
            ["[[hang*1]] [[503*2]]"] * 3,
            [Broken(fault=Fault.HANG), Refused(status=503), Answered()],
        ),
        (["[[wiki]]", "[[200]]", "[500]"], [Answered()] * 3),
        (["lose me", "lose [[500]]"], [Broken(fault=Fault.RESET), Refused(status=500)]),
    ],
)
def test_prompts_script_their_fate(contents: list[str], fates: list[Fate]) -> None:
    settings = SimulatorSettings(fail_prompts={"lose me": "reset"})
    assert [plan.fate for plan in plans(settings, *contents)] == fates


def test_markers_can_be_switched_off() -> None:
    assert [plan.fate for plan in plans(SimulatorSettings(markers=False), "[[500]]")] == [
        Answered()
    ]


def test_a_seed_decides_by_prompt_and_attempt_not_by_order() -> None:
    settings = SimulatorSettings(seed=7, latency="exponential:1", error_rate=0.5, hang_rate=0.2)
    prompts = [f"line {index}" for index in range(100)]
    forward = plans(settings, *prompts)
    assert forward == plans(settings, *reversed(prompts))[::-1]
    assert forward != plans(settings.patched({"seed": 8}), *prompts)
    twice = plans(settings, *prompts, *prompts)
    assert twice[:100] == forward
    assert twice[100:] != forward


def test_chances_come_true_about_as_often_as_dialled() -> None:
    settings = SimulatorSettings(error_rate=0.2, status_rates={429: 0.3}, truncate_rate=0.1)
    drawn = Counter(plan.fate for plan in plans(settings, *["x"] * 10_000))
    expected: dict[Fate, int] = {
        Refused(status=500): 1000,
        Refused(status=503): 1000,
        Refused(status=429): 3000,
        Broken(fault=Fault.TRUNCATE): 1000,
        Answered(): 4000,
    }
    assert drawn.keys() == expected.keys()
    assert all(abs(drawn[fate] - count) < 200 for fate, count in expected.items())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.0195, "20ms"),
        (1, "1s"),
        (59.982, "59.982s"),
        (72.5, "1m12.5s"),
        (360, "6m0s"),
        (3600, "1h0m0s"),
    ],
)
def test_durations_are_written_as_openai_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_waits_are_written_in_both_spellings() -> None:
    assert retry_headers(0.0201) == (("retry-after", "1"), ("retry-after-ms", "21"))


def test_limits_refill_evenly_and_report_themselves() -> None:
    time = 100.0
    limits = Limits(requests_per_minute=60, tokens_per_minute=600, window=2, clock=lambda: time)
    assert limits.admit(5) is None
    assert limits.headers() == (
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "1"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "600"),
        ("x-ratelimit-remaining-tokens", "15"),
        ("x-ratelimit-reset-tokens", "500ms"),
    )
    assert limits.admit(20) == Exceeded(kind="tokens", limit=600, used=5, requested=20, wait=0.5)
    time += 0.5
    assert limits.admit(20) is None
    assert limits.admit(20) == Exceeded(kind="requests", limit=60, used=2, requested=1, wait=0.5)
    time += 60
    assert limits.admit(21) == Exceeded(kind="tokens", limit=600, used=0, requested=21, wait=None)
