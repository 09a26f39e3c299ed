"""Google's fake as Cloud Storage: both APIs over the same objects, by the official clients."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import httpx2
import obstore
import pytest
from google.api_core import exceptions
from google.auth import identity_pool
from google.auth.exceptions import RefreshError
from google.auth.transport import requests as transport
from google.cloud.storage import Client
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials
from google.resumable_media.requests import ResumableUpload
from obstore.exceptions import (
    AlreadyExistsError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import GCSStore
from tests.contract.google_clients import BUCKET, buckets, store

from batchway.simulator.google import running
from batchway.simulator.google.checksums import Crc32c

MIB = 1 << 20
NAME = "a folder/é漢😀 100%+.jsonl"


@pytest.mark.parametrize("size", [0, 100, 9 * MIB])
def test_an_object_by_googles_client(size: int) -> None:
    data = os.urandom(size)
    with running() as fake:
        bucket = buckets(fake).bucket(BUCKET)
        # The client sends small objects in two parts, larger ones (8 MiB) by a session.
        bucket.blob(NAME).upload_from_string(data, content_type="application/jsonl")
        blob = bucket.get_blob(NAME)
        assert blob is not None
        assert (blob.size, blob.content_type) == (size, "application/jsonl")
        assert blob.md5_hash is not None
        assert blob.download_as_bytes() == data
        assert blob.exists()
        blob.delete()
        assert bucket.get_blob(NAME) is None
        assert fake.state.deletes == [f"gs://{BUCKET}/{NAME}"]


def test_an_upload_in_chunks_and_a_part_of_the_object() -> None:
    data = os.urandom(3 * MIB + 17)
    with running() as fake:
        bucket = buckets(fake).bucket(BUCKET)
        blob: Any = bucket.blob(NAME, chunk_size=256 << 10)
        with blob.open("wb", chunk_size=256 << 10) as file:
            for start in range(0, len(data), 100_000):
                file.write(data[start : start + 100_000])
        assert fake.brief()["requests"]["upload"] == 14
        assert blob.download_as_bytes(start=MIB, end=2 * MIB) == data[MIB : 2 * MIB + 1]
        assert blob.download_as_bytes(start=len(data) - 5) == data[-5:]


def test_a_session_that_broke_off_goes_on_where_it_was(tmp_path: Path) -> None:
    data = os.urandom(MIB)
    with running() as fake:
        client = buckets(fake)
        session = transport.AuthorizedSession(Credentials(token="t-1"))
        upload = ResumableUpload(
            f"{fake.url}/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable", 256 << 10
        )
        path = tmp_path / "data"
        path.write_bytes(data)
        with path.open("rb") as stream:
            upload.initiate(session, stream, {"name": NAME}, "application/jsonl")
            upload.transmit_next_chunk(session)
            assert upload.resumable_url is not None
            asked = httpx2.put(
                upload.resumable_url,
                headers={"Content-Range": f"bytes */{len(data)}", "Authorization": "Bearer t-1"},
            )
            assert (asked.status_code, asked.headers["range"]) == (308, "bytes=0-262143")
            while not upload.finished:
                upload.transmit_next_chunk(session)
        assert client.bucket(BUCKET).blob(NAME).download_as_bytes() == data


def test_an_upload_at_once_and_its_preconditions() -> None:
    with running() as fake:
        url = f"{fake.url}/upload/storage/v1/b/{BUCKET}/o"
        asked = {"uploadType": "media", "name": NAME, "ifGenerationMatch": "0"}
        headers = {"Authorization": "Bearer t-1", "Content-Type": "application/jsonl"}
        made = httpx2.post(url, params=asked, headers=headers, content=b"one")
        assert made.json()["size"] == "3"
        again = httpx2.post(url, params=asked, headers=headers, content=b"two")
        assert again.status_code == 412
        asked["ifGenerationMatch"] = made.json()["generation"]
        assert httpx2.post(url, params=asked, headers=headers, content=b"two").status_code == 200
        assert fake.read(f"gs://{BUCKET}/{NAME}") == b"two"
        wrong = httpx2.post(
            url,
            params={"uploadType": "media", "name": "x"},
            headers={**headers, "X-Goog-Hash": "crc32c=AAAAAA=="},
            content=b"one",
        )
        assert wrong.status_code == 400
        assert "doesn't match" in wrong.json()["error"]["message"]


def test_listings_by_googles_client() -> None:
    with running(page_size=2) as fake:
        for name in ("a", "b/", "b/1", "b/2", "b/c/3", "d"):
            fake.put(f"gs://{BUCKET}/{name}", b"x")
        client = buckets(fake)
        assert [blob.name for blob in client.list_blobs(BUCKET)] == [
            "a",
            "b/",
            "b/1",
            "b/2",
            "b/c/3",
            "d",
        ]
        below: Any = client.list_blobs(BUCKET, prefix="b/", delimiter="/")
        assert [blob.name for blob in below] == ["b/", "b/1", "b/2"]
        assert below.prefixes == {"b/c/"}
        top: Any = client.list_blobs(BUCKET, delimiter="/")
        assert [blob.name for blob in top] == ["a", "d"]
        assert top.prefixes == {"b/"}
        assert [blob.name for blob in client.list_blobs(BUCKET, max_results=1)] == ["a"]
        assert list(client.list_blobs(BUCKET, prefix="none/")) == []


def test_a_bucket_and_where_it_is() -> None:
    with running(bucket_region={"far": "europe-west4"}, no_such_bucket=["none"]) as fake:
        client = buckets(fake)
        assert client.get_bucket(BUCKET).location == "US-CENTRAL1"
        assert client.get_bucket("far").location == "EUROPE-WEST4"
        with pytest.raises(exceptions.NotFound, match="bucket does not exist"):
            client.get_bucket("none")


def test_an_object_by_obstore() -> None:
    data = os.urandom(1_000)
    with running() as fake:
        bucket = store(fake)
        put = obstore.put(bucket, NAME, data)
        found = obstore.get(bucket, NAME)
        assert found.meta["e_tag"] == put["e_tag"]
        assert (found.meta["size"], found.meta["path"]) == (1_000, NAME)
        assert bytes(found.bytes()) == data
        assert bytes(obstore.get_range(bucket, NAME, start=10, end=20)) == data[10:20]
        tail = obstore.get(bucket, NAME, options={"range": {"suffix": 7}})
        assert bytes(tail.bytes()) == data[-7:]
        assert obstore.head(bucket, NAME)["size"] == 1_000
        with pytest.raises(AlreadyExistsError):
            obstore.put(bucket, NAME, b"x", mode="create")
        obstore.put(bucket, "new", b"x", mode="create")
        obstore.copy(bucket, NAME, "copy")
        assert bytes(obstore.get(bucket, "copy").bytes()) == data
        obstore.delete(bucket, [NAME, "copy"])
        with pytest.raises(FileNotFoundError):
            obstore.head(bucket, NAME)
        # Both APIs are over the same objects.
        assert [blob.name for blob in buckets(fake).list_blobs(BUCKET)] == ["new"]


def test_an_upload_in_parts_has_no_md5() -> None:
    data = os.urandom(12 * MIB)
    with running() as fake:
        bucket = store(fake)
        obstore.put(bucket, NAME, iter([data]), chunk_size=5 * MIB)
        blob = buckets(fake).bucket(BUCKET).get_blob(NAME)
        assert blob is not None
        assert (blob.size, blob.md5_hash) == (len(data), None)
        assert blob.download_as_bytes(checksum="crc32c") == data
        assert fake.brief()["unfinished_uploads"] == 0
        answer = obstore.get(bucket, NAME)
        digest = hashlib.sha256()
        for chunk in answer.stream(min_chunk_size=MIB):
            digest.update(chunk)
        assert digest.digest() == hashlib.sha256(data).digest()
        fake.trouble({"on": "upload", "after": 2, "status": 403})
        with pytest.raises(PermissionDeniedError):
            obstore.put(bucket, "torn", iter([data]), chunk_size=5 * MIB)
        assert "gs://bucket/torn" not in fake.objects()


def test_listings_by_obstore() -> None:
    with running(page_size=2) as fake:
        for name in ("a", "b/1", "b/2", "b/c/3", "d & <e>"):
            fake.put(f"gs://{BUCKET}/{name}", b"x")
        bucket = store(fake)
        names = [meta["path"] for chunk in obstore.list(bucket) for meta in chunk]
        assert names == ["a", "b/1", "b/2", "b/c/3", "d & <e>"]
        below = obstore.list_with_delimiter(bucket, "b")
        assert [meta["path"] for meta in below["objects"]] == ["b/1", "b/2"]
        assert below["common_prefixes"] == ["b/c"]
        after = obstore.list(bucket, offset="b/2").collect()
        assert [meta["path"] for meta in after] == ["b/c/3", "d & <e>"]


def test_what_a_caller_may_not_do() -> None:
    denied = ["caller_read", "caller_write", "caller_delete"]
    with running(bucket_denied=denied, no_such_bucket=["none"]) as fake:
        fake.put(f"gs://{BUCKET}/a", b"x")
        client = buckets(fake)
        blob = client.bucket(BUCKET).blob("a")
        with pytest.raises(exceptions.Forbidden, match=r"storage\.objects\.create"):
            blob.upload_from_string(b"y")
        with pytest.raises(exceptions.Forbidden, match=r"storage\.objects\.get"):
            blob.download_as_bytes()
        with pytest.raises(exceptions.Forbidden, match=r"storage\.objects\.delete"):
            blob.delete()
        with pytest.raises(PermissionDeniedError, match=r"storage\.objects\.create"):
            obstore.put(store(fake), "a", b"y")
        with pytest.raises(FileNotFoundError):
            obstore.put(store(fake, "none"), "a", b"y")
        assert fake.read(f"gs://{BUCKET}/a") == b"x"


def test_tokens_that_run_out_and_keys_that_are_revoked() -> None:
    with running(token_ttl=600) as fake:
        client = buckets(fake)
        client.get_bucket(BUCKET)
        client.get_bucket(BUCKET)
        assert fake.brief()["tokens"] == 1
        fake.control(advance=700)
        # A client that believes in its token is told, and gets itself another.
        client.get_bucket(BUCKET)
        assert fake.brief()["tokens"] == 2
        assert fake.brief()["answers"]["bucket 401"] == 1
        fake.control(revoked=True)
        with pytest.raises(Exception, match="invalid_grant"):
            client.get_bucket(BUCKET)


def test_tokens_that_were_never_given_out() -> None:
    with running(tokens=["good"]) as fake:
        for token, status in (("good", 200), ("bad", 401), ("ya29.of-another-day", 401)):
            answer = httpx2.get(
                f"{fake.url}/storage/v1/b/{BUCKET}", headers={"Authorization": f"Bearer {token}"}
            )
            assert (token, answer.status_code) == (token, status)
        bare = httpx2.get(f"{fake.url}/v1/projects/p/locations/l/batchPredictionJobs")
        assert bare.status_code == 401
        assert bare.json()["error"]["status"] == "UNAUTHENTICATED"
        with pytest.raises(UnauthenticatedError):
            obstore.head(store(fake), "a")


def test_assertions_that_are_refused() -> None:
    with running() as fake, running() as other:
        for change, words in (
            ({"private_key": other.key()["private_key"]}, "Invalid JWT Signature"),
            ({"client_email": "someone@else"}, "account not found"),
            ({"private_key_id": "unknown"}, "Invalid JWT Signature"),
        ):
            with pytest.raises(Exception, match=words):
                _listed({**fake.key(), **change})
        with pytest.raises(Exception, match="invalid_scope"):
            _listed(fake.key(), scope="drive")


def test_tokens_of_users_and_of_other_identity_providers(tmp_path: Path) -> None:
    subject = tmp_path / "subject"
    subject.write_text("a token of somebody else's")
    with running(tokens=[]) as fake:
        user = Credentials(
            token=None,
            refresh_token="fake-refresh-token",
            token_uri=fake.token_uri,
            client_id="c",
            client_secret="s",
        )
        federated = identity_pool.Credentials.from_info(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/locations/global/pools/p/providers/x",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": f"{fake.url}/v1/token",
                "credential_source": {"file": str(subject)},
            }
        )
        for credentials in (user, federated):
            client = Client(
                project="p",
                credentials=credentials.with_quota_project(None),
                client_options={"api_endpoint": fake.url},
            )
            assert client.get_bucket(BUCKET).name == BUCKET
        assert fake.brief()["tokens"] == 2
        user = Credentials(
            token=None,
            refresh_token="revoked",
            token_uri=fake.token_uri,
            client_id="c",
            client_secret="s",
        )
        with pytest.raises(RefreshError, match="expired or revoked"):
            user.refresh(transport.Request())


def test_obstore_signs_assertions_of_its_own() -> None:
    with running(tokens=[]) as fake:
        bucket = GCSStore(
            BUCKET,
            config={"base_url": fake.url, "service_account_key": json.dumps(fake.key())},
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )
        obstore.put(bucket, "a", b"x")
        assert fake.objects() == {f"gs://{BUCKET}/a": 1}
        assert fake.brief()["tokens"] == 0


def test_downloads_that_break_off_or_come_in_odd_pieces() -> None:
    data = "é漢😀".encode() * 20_000
    with running() as fake:
        fake.put(f"gs://{BUCKET}/a", data)
        url = f"{fake.url}/{BUCKET}/a"
        headers = {"Authorization": "Bearer t-1"}
        fake.trouble({"on": "content", "do": "cut", "bytes": 1_000, "times": 1})
        with pytest.raises(httpx2.RemoteProtocolError):
            httpx2.get(url, headers=headers)
        fake.trouble({"on": "content", "do": "chop", "times": 1})
        with httpx2.stream("GET", url, headers={**headers, "Range": "bytes=0-29999"}) as answer:
            pieces = list(answer.iter_raw())
        assert b"".join(pieces) == data[:30_000]
        assert len(pieces) > 1  # how many arrive at once is the network's to say
        fake.trouble({"on": "content", "do": "page", "times": 1})
        assert b"<html>" in httpx2.get(url, headers=headers).content
        # obstore goes on from where a download broke off.
        fake.trouble({"on": "content", "do": "cut", "bytes": 1_000, "times": 1})
        assert bytes(obstore.get(store(fake, retries=2), "a").bytes()) == data


def test_uploads_that_break_off_leave_nothing() -> None:
    with running() as fake:
        fake.trouble({"on": "upload", "do": "cut", "bytes": 1_000, "times": 1})
        with pytest.raises(Exception, match="error sending request"):
            obstore.put(store(fake), "a", os.urandom(MIB), use_multipart=False)
        assert fake.objects() == {}
        fake.trouble({"on": "upload", "do": "lose", "times": 1})
        with pytest.raises(Exception, match="error sending request"):
            obstore.put(store(fake), "a", b"x", use_multipart=False)
        assert fake.objects() == {f"gs://{BUCKET}/a": 1}


def test_checksums_are_googles() -> None:
    # RFC 3720, appendix B.4: thirty-two bytes of zero.
    running_sum = Crc32c()
    running_sum.update(bytes(16))
    running_sum.update(bytes(16))
    assert running_sum.base64() == "ipE2qg=="


def _listed(
    key: dict[str, str], scope: str = "https://www.googleapis.com/auth/cloud-platform"
) -> None:

    credentials = service_account.Credentials.from_service_account_info(
        key, scopes=[f"https://www.googleapis.com/auth/{scope}"]
    )
    origin = key["token_uri"].removesuffix("/token")
    client = Client(project="p", credentials=credentials, client_options={"api_endpoint": origin})
    client.get_bucket(BUCKET)
