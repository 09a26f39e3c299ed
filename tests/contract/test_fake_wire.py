"""The fakes whose wire no official client reads as it is: asserted with a plain HTTP client."""

import http.client
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from tests.contract.fake_clients import eventually
from tests.contract.fake_lines import CHAT, chats, jsonl, line, rows_of, wrong

from batchway.simulator.batches import Fake, running


class Wire:
    """A vendor's API by plain HTTP."""

    def __init__(self, *, http: httpx2.Client) -> None:
        self._http = http

    def ask(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        return self._http.request(method, path, json=body)

    def get(self, path: str) -> Any:
        answer = self._http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def upload(
        self, content: bytes, *, path: str = "/files", purpose: str = "batch"
    ) -> httpx2.Response:
        return self._http.post(
            path, files={"file": ("t-1.jsonl", content)}, data={"purpose": purpose}
        )

    def create(self, file_id: str, **further: Any) -> httpx2.Response:
        asked = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h", **further}
        return self.ask("POST", "/batches", asked)

    def content(self, file_id: str) -> list[dict[str, Any]]:
        return rows_of(self._http.get(f"/files/{file_id}/content").content)


@contextmanager
def wire(fake: Fake) -> Generator[Wire]:
    """A client with a key."""
    with httpx2.Client(base_url=fake.base_url, headers={"Authorization": "Bearer sk-test"}) as http:
        yield Wire(http=http)


def test_together() -> None:
    content = jsonl(line(number, method=None, url=None) for number in range(4))
    dials = {"fail": {"429": ["r0000000001"]}}
    with running("together", hold=["in_progress"], rows=dials) as fake, wire(fake) as api:
        answer = api.upload(content, path="/files/upload", purpose="batch-api")
        assert (answer.status_code, answer.json()["purpose"]) == (200, "batch-api")
        made = api.create(answer.json()["id"], metadata={"tag": "t-1"})
        assert (made.status_code, list(made.json())) == (201, ["job"])
        job = made.json()["job"]
        assert job["status"] == "VALIDATING"
        assert job["created_at"].endswith("Z")
        assert "request_counts" not in job
        assert "metadata" not in job
        path = f"/batches/{job['id']}"
        running_job = eventually(lambda: api.get(path), lambda got: got["progress"] == 50.0)
        assert running_job["status"] == "IN_PROGRESS"
        listed = api.get("/batches")
        assert [got["id"] for got in listed] == [job["id"]]
        fake.control(hold=["cancelling"], cancel_loses=True)
        assert api.ask("POST", f"{path}/cancel").json()["status"] == "CANCELING"
        fake.control(hold=[])
        done = eventually(lambda: api.get(path), lambda got: got["status"] == "COMPLETED")
        assert done["progress"] == 100.0
        rows = api.content(done["output_file_id"])
        assert wrong(rows) == []
        assert {tuple(row) for row in rows} == {("custom_id", "response")}
        (failed,) = api.content(done["error_file_id"])
        assert list(failed) == ["custom_id", "error"]
        assert list(failed["error"]) == ["code", "message"]


def test_together_turns_clients_away_that_do_not_say_who_they_are() -> None:
    with running("together") as fake:
        host, _, port = fake.origin.removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port))
        connection.request("GET", "/v1/batches", headers={"Authorization": "Bearer k"})
        assert connection.getresponse().status == 403
        connection.close()


def test_deepinfra_has_no_counts_at_first_and_an_error_file_always() -> None:
    with running("deepinfra", hold=["validating"]) as fake, wire(fake) as api:
        job = api.create(api.upload(chats(2)).json()["id"]).json()
        assert job["request_counts"] is None
        fake.control(hold=[])
        path = f"/batches/{job['id']}"
        done = eventually(lambda: api.get(path), lambda got: got["status"] == "completed")
        assert done["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
        assert api.content(done["error_file_id"]) == []


def test_deepinfras_error_rows_have_no_response() -> None:
    with running("deepinfra", rows={"fail": {"400": 1.0}}) as fake, wire(fake) as api:
        job = api.create(api.upload(chats(1)).json()["id"]).json()
        path = f"/batches/{job['id']}"
        done = eventually(lambda: api.get(path), lambda got: got["status"] == "completed")
        (row,) = api.content(done["error_file_id"])
        assert row["response"] is None
        assert row["error"]["code"] == "400"


def test_parasail_sends_downloads_elsewhere() -> None:
    with running("parasail") as fake, wire(fake) as api:
        file = api.upload(chats(1)).json()
        job = api.create(file["id"]).json()
        assert job["expires_at"] is None
        answer = api.ask("GET", f"/files/{file['id']}/content")
        assert (answer.status_code, answer.content) == (302, b"")
        place = answer.headers["location"]
        assert httpx2.get(place).content == chats(1)
        assert api.ask("DELETE", f"/files/{file['id']}").json()["deleted"] is False
        # The receipt denies what has happened.
        assert api.ask("GET", f"/files/{file['id']}").status_code == 404


def test_novita() -> None:
    with running("novita", hold=["in_progress"]) as fake, wire(fake) as api:
        content = jsonl(line(number, method=None, url=None) for number in range(2))
        file = api.upload(content).json()
        assert file["metadata"] == {"total_requests": 2}
        assert api.create(file["id"]).status_code == 400
        job = api.create(file["id"], completion_window="48h").json()
        assert job["status"] == "VALIDATING"
        assert (job["output_file_id"], job["error_file_id"], job["errors"]) == ("", "", "")
        assert job["created_at"].endswith("Z")
        path = f"/batches/{job['id']}"
        eventually(lambda: api.get(path), lambda got: got["status"] == "PROGRESS")
        fake.control(hold=[])
        done = eventually(lambda: api.get(path), lambda got: got["status"] == "COMPLETED")
        assert (done["total"], done["completed"], done["failed"]) == (2, 2, 0)
        assert wrong(api.content(done["output_file_id"])) == []


def test_siliconflow() -> None:
    with running("siliconflow", hold=["validating"]) as fake, wire(fake) as api:
        answer = api.upload(chats(2)).json()
        assert (answer["code"], answer["status"]) == (20000, True)
        file = answer["data"]
        assert file["createdAt"] > 0
        job = api.create(file["id"], completion_window="336h").json()
        assert (job["status"], job["request_counts"]) == ("in_queue", None)
        fake.control(hold=[])
        path = f"/batches/{job['id']}"
        done = eventually(lambda: api.get(path), lambda got: got["status"] == "completed")
        assert wrong(api.content(done["output_file_id"])) == []


def test_siliconflow_takes_five_thousand_lines() -> None:
    with running("siliconflow") as fake, wire(fake) as api:
        job = api.create(api.upload(chats(5_001)).json()["data"]["id"]).json()
        path = f"/batches/{job['id']}"
        done = eventually(lambda: api.get(path), lambda got: got["status"] == "failed")
        assert [error["code"] for error in done["errors"]["data"]] == ["too_many_tasks"]


@pytest.mark.parametrize(
    ("vendor", "window", "status"),
    [
        ("dashscope", "23h", 400),
        ("dashscope", "14d", 200),
        ("groq", "7d", 200),
        ("groq", "8d", 400),
        ("doubleword", "1h", 200),
        ("openai", "48h", 400),
    ],
)
def test_completion_windows(vendor: str, window: str, status: int) -> None:
    with running(vendor) as fake, wire(fake) as api:
        answer = api.create(api.upload(chats(1)).json()["id"], completion_window=window)
        assert answer.status_code == status


def test_zhipu_has_paths_of_its_own_and_deletes_the_input() -> None:
    url = "/v4/chat/completions"
    with running("zhipu") as fake, wire(fake) as api:
        assert fake.base_url.endswith("/api/paas/v4")
        file = api.upload(chats(2, url=url)).json()
        assert api.create(file["id"]).status_code == 400
        asked = {"input_file_id": file["id"], "endpoint": url}
        job = api.ask("POST", "/batches", asked).json()
        path = f"/batches/{job['id']}"
        done = eventually(lambda: api.get(path), lambda got: got["status"] == "completed")
        rows = api.content(done["output_file_id"])
        assert wrong(rows) == []
        assert [deleted["id"] for deleted in fake.stats()["deletes"]] == [file["id"]]
        kept = api.upload(chats(1, url=url)).json()
        job = api.ask(
            "POST",
            "/batches",
            {"input_file_id": kept["id"], "endpoint": url, "auto_delete_input_file": False},
        ).json()
        fake.eventually(lambda stats: stats["jobs"][1]["status"] == "completed")
        assert api.get(f"/files/{kept['id']}")["id"] == kept["id"]


def test_dashscopes_free_test_endpoint() -> None:
    url = "/v1/chat/ds-test"
    with running("dashscope") as fake, wire(fake) as api:
        content = chats(1, model="batch-test-model", url=url)
        job = api.create(api.upload(content).json()["id"], endpoint=url).json()
        path = f"/batches/{job['id']}"
        done = eventually(lambda: api.get(path), lambda got: got["status"] == "completed")
        assert wrong(api.content(done["output_file_id"]), model="batch-test-model") == []


@pytest.mark.parametrize(
    ("vendor", "body"),
    [
        ("openai", {"error": {"code": "invalid_api_key"}}),
        ("azure", {"error": {"code": "401"}}),
        ("deepinfra", {"detail": {"error": "Incorrect API key provided."}}),
        ("siliconflow", "Incorrect API key provided."),
        ("zhipu", {"error": {"code": "1000"}}),
        ("novita", {"code": 401, "reason": "INVALID_API_KEY"}),
    ],
)
def test_a_wrong_key_in_each_ones_words(vendor: str, body: Any) -> None:
    path = "/openai/v1/batches" if vendor == "azure" else "/batches"
    with running(vendor, keys=["another"]) as fake, wire(fake) as api:
        answer = api.ask("GET", path)
        assert answer.status_code == 401
        got = answer.json()
        if vendor in ("openai", "azure", "zhipu"):
            assert got["error"]["code"] == body["error"]["code"]
        elif vendor == "novita":
            assert {name: got[name] for name in body} == body
        else:
            assert got == body
