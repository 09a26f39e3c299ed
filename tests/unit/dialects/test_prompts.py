"""Any conversation of texts, as the prompt of a model that takes no more: nobody speaks for others.

What is read back of a prompt is what each role said, whatever they said; or the line is refused.
"""

import json
from itertools import groupby
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.dialects.bodies import JSON
from tests.unit.dialects.family_invoked import LLAMA, MISTRAL, PROMPTED, R1
from tests.unit.dialects.invoked_schemas import Turns
from tests.unit.dialects.test_properties import FEW, encoded

from batchway.ports.dialect import Encoded, Result, Unfaithful

_DIALECTS: Final = {**LLAMA.mute, **MISTRAL.mute, **R1.mute}
# What templates are made of, whole and in pieces that a text may put together.
_PIECES: Final = st.sampled_from(
    [
        *("<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot|>", "<|header_start|>"),
        *("<|", "|>", "<|eot_id", "eot_id|>", "system", "assistant", "\n\n", " ", "[INST]"),
        *("[/INST]", "[INST", "/INST]", "</s>", "<s>", "</", "s>", "[", "]", "/", "<", ">"),
        *("<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<｜", "｜>", "User", "think"),
    ]
)
_WORDS: Final = st.lists(_PIECES | st.text("aé1", max_size=3), min_size=1, max_size=5).map("".join)
_CALM: Final = st.text("aé1 \n", min_size=1, max_size=6)


def _talk(words: st.SearchStrategy[str]) -> st.SearchStrategy[list[JSON]]:
    said = st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]), "content": words}
    )
    return st.lists(said, max_size=4).flatmap(
        lambda before: words.map(lambda text: [*before, {"role": "user", "content": text}])
    )


def _told(name: str, messages: list[JSON]) -> Turns:
    """What a prompt of a model has to say of a conversation."""
    turns = [(message["role"], message["content"]) for message in messages]
    if name.startswith("llama"):
        return turns
    if name == "deepseek r1":
        system = "\n\n".join(text for role, text in turns if role == "system")
        rest = [turn for turn in turns if turn[0] != "system"]
        return [("system", system), *rest] if system else rest
    spoken = [("assistant" if role == "assistant" else "user", text) for role, text in turns]
    return [
        (role, "\n\n".join(text for _, text in run))
        for role, run in groupby(spoken, key=lambda turn: turn[0])
    ]


@pytest.mark.parametrize("name", PROMPTED)
@given(_talk(_WORDS))
@FEW
def test_nobody_speaks_for_others(name: str, messages: list[JSON]) -> None:
    said = encoded(_DIALECTS[name], {"messages": messages})
    if isinstance(said, Encoded):
        read, _ = PROMPTED[name]
        assert read(json.loads(said.bodies[0])["prompt"]) == _told(name, messages)


@pytest.mark.parametrize("name", PROMPTED)
@given(_talk(_CALM))
@FEW
def test_what_is_said_is_heard_and_comes_back(name: str, messages: list[JSON]) -> None:
    dialect = _DIALECTS[name]
    read, answer = PROMPTED[name]
    said = encoded(dialect, {"messages": messages})
    if isinstance(said, Unfaithful):
        # The user begins with Mistral; nothing else of calm words is refused.
        assert (name, said.param) == ("mistral, prompt", "messages[0].role")
        assert messages[0]["role"] == "assistant"
        return
    assert read(json.loads(said.bodies[0])["prompt"]) == _told(name, messages)
    text = messages[-1]["content"].strip("\n")
    result = dialect.decode(200, json.dumps(answer(text)).encode(), said.context, at=1)
    assert isinstance(result, Result)
    (choice,) = json.loads(result.body)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (text, "stop")
