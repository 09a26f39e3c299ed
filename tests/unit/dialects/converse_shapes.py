"""Bodies of Converse by botocore's own model of the service, and by the rules that it has not.

botocore's validator names every unknown member and every wrong type; the service itself has more
rules, which its pages and its errors tell: they stand here in code. On the wire bytes are base64,
and botocore's validator wants bytes: they are opened first.
"""

import base64
import re
from typing import Any, Final

from botocore.session import get_session
from botocore.validate import ParamValidator

JSON = dict[str, Any]

_OPERATION: Final = get_session().get_service_model("bedrock-runtime").operation_model("Converse")
_DOCUMENT_NAME: Final = re.compile(r"(?!.*\s\s)[A-Za-z0-9\s()\[\]-]{1,200}")


def sent_to_converse(body: JSON) -> None:
    """Raises `AssertionError` for a body that Converse does not take."""
    assert "modelId" not in body, "it stands in the address"
    _validate({**_opened(body), "modelId": "amazon.nova-lite-v1:0"}, _OPERATION.input_shape)
    _sizes(body)
    _turns(body["messages"], tools="toolConfig" in body)


def answered_by_converse(body: JSON) -> None:
    """Raises `AssertionError` for an answer that Converse does not give."""
    _validate(_opened(body), _OPERATION.output_shape)


def _validate(params: JSON, shape: Any) -> None:
    report = ParamValidator().validate(params, shape)
    assert not report.has_errors(), report.generate_report()


def _opened(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _opened(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_opened(each) for each in value]
    return base64.b64decode(value, validate=True) if name in ("bytes", "redactedContent") else value


def _sizes(body: JSON) -> None:
    """Ranges that botocore's model has in its documentation only."""
    inference = body.get("inferenceConfig", {"maxTokens": 1})
    assert inference, "an empty object says nothing"
    assert inference.get("maxTokens", 1) >= 1
    for name in ("temperature", "topP"):
        assert 0 <= inference.get(name, 0) <= 1
    assert all(inference.get("stopSequences", ["x"]))
    assert all(each["text"].strip() for each in body.get("system", [{"text": "x"}]))


def _turns(messages: list[JSON], *, tools: bool) -> None:
    names: list[str] = []
    waiting: set[str] = set()
    for index, message in enumerate(messages):
        blocks = message["content"]
        assert message["role"] == ("assistant" if index % 2 else "user")
        assert blocks
        assert all(block["text"].strip() for block in blocks if "text" in block)
        documents = [block["document"] for block in blocks if "document" in block]
        assert len(documents) <= 5
        assert not documents or any("text" in block for block in blocks)
        names += [each["name"] for each in documents]
        results = {each["toolResult"]["toolUseId"] for each in blocks if "toolResult" in each}
        assert results == waiting, "every call has its result in the next turn"
        waiting = {each["toolUse"]["toolUseId"] for each in blocks if "toolUse" in each}
        assert tools or not (results or waiting)
    assert not waiting
    assert len(set(names)) == len(names)
    assert all(_DOCUMENT_NAME.fullmatch(name) for name in names)
