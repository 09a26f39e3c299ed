"""What an OpenAI line must have been answered with, when it went to Bedrock: for tests.

Owns the comparison where `online.verify` cannot make it: where a translation has put turns of the
same role together, has moved what the system says to the front, or where media, tools and schemas
are in play. The digest of the prompt is in every answer, so it is found in what came of the answer.
"""

import json
from collections.abc import Mapping
from typing import Any

from batchway.simulator.aws.families import family_of
from batchway.simulator.languages.prompts import of_openai
from batchway.simulator.online.answers import answer, expected_embedding
from batchway.simulator.online.endpoints import Endpoint


def digest_of(body: Mapping[str, Any], *, model: str) -> str:
    """The digest of a chat completion's body; `model` as the request or the job named it."""
    messages = of_openai(body)
    if family_of(model, {}) == "mistral" and messages[0]["role"] == "system":
        # Its prompts have no place for a system: what it says opens the user's first turn.
        system, user, *rest = messages
        said = f"{system['content']}\n\n{user['content']}"
        messages = [{"role": "user", "content": said}, *rest]
    return answer(Endpoint.CHAT, {"messages": messages}, model=model).digest


def belongs(body: Mapping[str, Any], response: Mapping[str, Any], *, model: str) -> bool:
    """Whether an answer, in OpenAI's words or in a family's, is that of this body."""
    return digest_of(body, model=model) in json.dumps(response)


def vectors_of(texts: list[str], *, model: str, dimensions: int) -> list[list[float]]:
    """The vectors of texts."""
    return [expected_embedding(text, model, dimensions) for text in texts]
