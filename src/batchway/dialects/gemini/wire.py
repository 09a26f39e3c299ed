"""The bodies of `generateContent` requests, as typed values: only what is written.

Names are those of google-genai's types (3.6.1), in camel case on the wire. What is unset is left
out: Vertex AI's batch importer takes explicit nulls for columns.
Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType


class _Wire(Struct, rename="camel", gc=False):
    pass


class Blob(_Wire):
    """Bytes in base64."""

    mime_type: str
    data: str


class FileData(_Wire):
    """A file by its address: `gs://`, or HTTP online."""

    mime_type: str
    file_uri: str


class FunctionCall(_Wire):
    """A call that the model made. Vertex AI's `v1` refuses an `id` here."""

    name: str
    args: dict[str, Any] | UnsetType = UNSET


class FunctionResponse(_Wire):
    """What a call gave: an object whose `output` is the text."""

    name: str
    response: dict[str, str]


class Part(_Wire):
    """One of its fields, and perhaps a signature."""

    text: str | UnsetType = UNSET
    inline_data: Blob | UnsetType = UNSET
    file_data: FileData | UnsetType = UNSET
    function_call: FunctionCall | UnsetType = UNSET
    function_response: FunctionResponse | UnsetType = UNSET
    thought_signature: str | UnsetType = UNSET


class Content(_Wire):
    """A turn of `user` or `model`; instructions have no role."""

    parts: list[Part]
    role: str | UnsetType = UNSET


class FunctionDeclaration(_Wire):
    """A function. One of the two has its parameters (`translations`), none where it takes none."""

    name: str
    description: str | UnsetType = UNSET
    parameters: Raw | UnsetType = UNSET
    parameters_json_schema: Raw | UnsetType = UNSET


class Tool(_Wire):
    """All functions stand in one tool."""

    function_declarations: list[FunctionDeclaration]


class FunctionCallingConfig(_Wire):
    """`mode`: ANY or NONE; without it the model chooses."""

    mode: str
    allowed_function_names: list[str] | UnsetType = UNSET


class ToolConfig(_Wire):
    """How functions are called."""

    function_calling_config: FunctionCallingConfig


class ThinkingConfig(_Wire):
    """How long the model thinks: one of the two."""

    thinking_budget: int | UnsetType = UNSET
    thinking_level: str | UnsetType = UNSET


class GenerationConfig(_Wire):
    """How answers are sampled, and their form."""

    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    candidate_count: int | UnsetType = UNSET
    max_output_tokens: int | UnsetType = UNSET
    stop_sequences: list[str] | UnsetType = UNSET
    presence_penalty: float | UnsetType = UNSET
    frequency_penalty: float | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    response_logprobs: bool | UnsetType = UNSET
    logprobs: int | UnsetType = UNSET
    response_mime_type: str | UnsetType = UNSET
    response_schema: Raw | UnsetType = UNSET
    response_json_schema: Raw | UnsetType = UNSET
    thinking_config: ThinkingConfig | UnsetType = UNSET


class Request(_Wire):
    """A body. The model stands in the address, or in the job."""

    contents: list[Content]
    system_instruction: Content | UnsetType = UNSET
    tools: list[Tool] | UnsetType = UNSET
    tool_config: ToolConfig | UnsetType = UNSET
    generation_config: GenerationConfig | UnsetType = UNSET
