"""A chat line as what both bodies hold: its turns, its tools and its parameters.

Owns the order of the readings, and what one of them forbids another.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.claude.writing import clash_of
from batchway.dialects.converse.config import Config, config_of
from batchway.dialects.converse.messages import Conversation, Turns
from batchway.dialects.converse.models import Traits
from batchway.dialects.converse.tools import Tooling, answering, tooling
from batchway.dialects.converse.wire import ToolConfig
from batchway.dialects.requests.chat import ChatRequest, JsonSchemaFormat
from batchway.dialects.unsayable import Unsayable

_FORMAT: Final = "response_format"


class Said(msgspec.Struct, gc=False):
    """A line. `by_tool` is whether its answer is asked for as the input of a call."""

    talk: Conversation
    tools: ToolConfig | UnsetType
    config: Config
    by_tool: bool


def said_in(
    request: ChatRequest,
    traits: Traits,
    *,
    batch: bool,
    readable: Sequence[str],
    ignored: dict[str, None],
) -> Said:
    """What a request says. Adds to `ignored` what is left out of it.

    Raises:
        Unsayable: it cannot be said to the model.
    """
    talk = Turns(traits, readable=readable, ignored=ignored).read(request.messages)
    chosen = tooling(request, traits, batch=batch, called=talk.called, ignored=ignored)
    config = config_of(request, traits)
    wanted = request.response_format
    if not (traits.schema_by_tool and isinstance(wanted, JsonSchemaFormat)):
        _check(talk, chosen, config, traits)
        return Said(talk, chosen.config, config, by_tool=False)
    if batch:
        raise Unsayable(
            _FORMAT, "This model is bound to a schema by a tool, and jobs of Converse take none."
        )
    if chosen.config is not UNSET:
        raise Unsayable(
            _FORMAT, "This model is bound to a schema by a tool, and takes no others then."
        )
    if talk.begun:
        raise Unsayable("messages", "The last is the assistant's, which goes with no schema.")
    return Said(talk, answering(wanted.json_schema, traits), config, by_tool=True)


def _check(talk: Conversation, chosen: Tooling, config: Config, traits: Traits) -> None:
    """What the parts of a request forbid each other."""
    if traits.claude is not None and config.writing is not None:
        clash = clash_of(
            config.writing,
            traits.claude,
            forced=chosen.forced,
            unanswered=talk.unanswered,
            begun=talk.begun,
        )
        if clash is not None:
            raise Unsayable(clash.param, clash.why)
    elif talk.begun and not traits.prefill:
        raise Unsayable("messages", "The last is the assistant's, where this model needs a user's.")
