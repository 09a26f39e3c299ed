"""Places in a chat request that models are often not told of, as tables and warnings name them."""

from typing import Final

NAME: Final = "messages[].name"
HOISTED: Final = "messages[].role"  # a system prompt that stands behind other turns
REASONING: Final = "messages[].reasoning_content"
ANNOTATIONS: Final = "messages[].annotations"
BREAKPOINT: Final = "messages[].content[].prompt_cache_breakpoint"
DETAIL: Final = "messages[].content[].image_url.detail"
