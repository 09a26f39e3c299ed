"""What becomes of a batch: completed, mixed, failed, expired, cancelled, and whose answer is whose.

Through the official SDK against a real server and a real simulator.
"""

from tests.journeys.lines import chats, completed, submit
from tests.journeys.processes import Server


def test_every_line_succeeds(plain_server: Server) -> None:
    client = plain_server.client()
    asked = chats(20)
    batch = submit(client, asked)
    last = completed(client, batch, asked)
    print(last.to_dict())
