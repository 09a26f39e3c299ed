"""The ids Batchway hands out, in OpenAI's shapes. Randomness is injected."""

import re
from collections.abc import Callable
from typing import Final

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FILE: Final = re.compile(r"file-[0-9A-Za-z]{22}")
_BATCH: Final = re.compile(r"batch_[0-9a-f]{32}")


class Ids:
    """Makes ids from an injected source of random bytes (`os.urandom` in production).

    Shapes: `file-` + 22 base62, `batch_` + 32 hex, `upload_` + 32 hex, `part_` + 32 hex,
    `batch_req_` + 32 hex, `req_` + 32 hex.
    """

    def __init__(self, *, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes

    def file(self) -> str:
        """A file id: 131 bits of randomness in base62."""
        number = int.from_bytes(self._random_bytes(17), "big")
        digits: list[str] = []
        for _ in range(22):
            number, digit = divmod(number, 62)
            digits.append(_BASE62[digit])
        return "file-" + "".join(digits)

    def batch(self) -> str:
        """A batch id."""
        return "batch_" + self._hex()

    def upload(self) -> str:
        """An upload id."""
        return "upload_" + self._hex()

    def part(self) -> str:
        """An upload part id."""
        return "part_" + self._hex()

    def request(self) -> str:
        """The id of one HTTP request to Batchway (`x-request-id`)."""
        return "req_" + self._hex()

    def key(self) -> str:
        """A new API key's secret text."""
        return "sk-bw-" + self._random_bytes(24).hex()

    def _hex(self) -> str:
        return self._random_bytes(16).hex()


def is_file_id(text: str) -> bool:
    """Whether `text` has the shape of a file id of ours."""
    return _FILE.fullmatch(text) is not None


def is_batch_id(text: str) -> bool:
    """Whether `text` has the shape of a batch id of ours."""
    return _BATCH.fullmatch(text) is not None
