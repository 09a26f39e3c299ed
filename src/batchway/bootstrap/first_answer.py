"""What a first answer says of its account: a sentence that names provider, host, setting and cure.

    401, 403                        the key                        api_key
    any that the account advises on the account or the model       what it says
    402, the words of a quota       no credit                      -
    other 4xx in such words         the account                    -
    404, 405, another model error   the model, else the address    model, base_url
    3xx                             the address has moved          base_url
    2xx whose body is not JSON      something else answers there   base_url
    nothing was sent                refused, DNS, TLS              base_url

Every other answer is about a line, or passes: `None`. Sentences quote a provider's code, never its
message: that may repeat a key or a prompt.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.error import URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from yarl import URL

from batchway.bootstrap.parts import SystemClock
from batchway.domain.call import Call
from batchway.domain.http_status import REDIRECTS
from batchway.domain.remote import RemoteError, Trouble
from batchway.domain.routing import Target
from batchway.ports import Account, Answer, Failure, Online, Refused
from batchway.ports import Request as Sent
from batchway.providers.aws.signing import lasting
from batchway.providers.http.proxies import proxy_for
from batchway.settings import ProviderSettings, Settings

_LOOK_SECONDS: Final = 5.0
_MOST_LISTED: Final = 1 << 20
_SHOWN_MODELS: Final = 5
_SUCCESS: Final = range(200, 300)


class FirstAnswers:
    """What first answers say of the configured `accounts`.

    `from_flags` is whether the one account was given by `--base-url` and `--api-key-env`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        accounts: Mapping[str, Account],
        endpoint: str,
        from_flags: bool,
    ) -> None:
        self._entries = {entry.name: entry for entry in settings.providers}
        self._accounts = accounts
        self._endpoint = endpoint
        self._from_flags = from_flags
        # A route with another provider goes on there: the batch need not stop.
        self.spared = {
            target.provider
            for route in settings.routes
            for target in route.targets
            if any(other.provider != target.provider for other in route.targets)
        }

    async def judge(
        self, url: str, headers: Mapping[str, str], body: bytes, drawn: Answer | Failure
    ) -> str | None:
        """The sentence against the account that was asked, `None` when it can be used."""
        entry = await self._whose(url, headers)
        if entry is None or entry.name in self.spared:
            return None
        where = f"The provider '{entry.name}' ({_host(url)})"
        if isinstance(drawn, Failure):
            if drawn is not Failure.UNREACHABLE:
                return None
            reason = await asyncio.to_thread(_why_unreachable, url)
            return f"{where} cannot be reached: {reason}. {self._check_address(entry)}"
        status, refused = drawn.status, self._refused(entry, drawn)
        code = "" if refused is None else refused.short
        told = f"{status}, {code}" if code else f"{status}"
        model = _model(body)
        if refused is not None and refused.no_credit:
            return (
                f"{where} has no credit left for this account ({told}). Add credit there, or use "
                "another provider."
            )
        of_model = refused is not None and refused.of_model
        if refused is not None and refused.advice and (of_model or refused.of_account):
            advice = refused.advice[:1].upper() + refused.advice[1:]
            return f"{where} refuses these requests ({told}). {advice}."
        if of_model or (status == 404 and _speaks_of_model(drawn.body, model)):
            listed = await asyncio.to_thread(_models, url, self._endpoint, headers)
            named = f"model '{model}'" if model else "such model"
            return f"{where} has no {named} ({told}).{listed} {_CHECK_MODEL}"
        if status in {401, 403}:
            return f"{where} refuses the key ({told}). {self._check_key(entry)}"
        if status in REDIRECTS:
            return (
                f"{where} sends requests on to {_moved(url, drawn, self._endpoint)} ({status}), "
                f"which Batchway does not follow. {self._check_address(entry, moved=True)}"
            )
        if 400 <= status < 500 and refused is not None and refused.of_account:
            # What a served batch waits for (`dispatch.fault`), a run must not wait for.
            return (
                f"{where} refuses this account ({told}): see to its key and its billing there, or "
                "use another provider."
            )
        if status in {404, 405}:
            behind = entry.behind_address(self._endpoint)
            return (
                f"{where} has nothing at {urlsplit(url).path} ({told}). "
                f"{self._check_address(entry)} It is what comes before {behind}."
            )
        if status in _SUCCESS and not _is_object(drawn.body):
            return (
                f"{where} answers {status} with something that is no JSON object, so it is no "
                f"OpenAI-compatible API. {self._check_address(entry)}"
            )
        return None

    async def judge_jobs(self, target: Target) -> str | None:
        """The sentence against an account whose own batch API is to be used.

        Its jobs are looked through, which costs nothing; a model is only judged by the job itself.
        """
        entry = self._entries[target.provider]
        try:
            jobs = self._accounts[target.provider].jobs(Call(self._endpoint, target.model))
        except ValueError:
            return (
                f"The provider '{entry.name}' takes no job of this model: its name leads to no "
                f"address there. {_CHECK_MODEL}"
            )
        if jobs is None or target.provider in self.spared:
            return None
        try:
            await jobs.find("batchway-trial", since=int(SystemClock().now()))
        except RemoteError as error:
            stop = "" if error.message.endswith((".", "!", "?")) else "."
            if error.trouble is Trouble.DENIED:
                if entry.advises:
                    return f"{error.message}{stop}"
                return f"{error.message}{stop} {self._check_key(entry)}"
            if error.trouble is Trouble.UNREACHABLE:
                return f"{error.message}{stop} {self._check_address(entry)}"
        return None

    async def _whose(self, url: str, headers: Mapping[str, str]) -> ProviderSettings | None:
        """The account that sent it; of several at its address, the one whose requests are alike.

        The first of them where none is: an assumed role has other keys in each event loop.
        """
        origin = _origin(url)
        there: list[ProviderSettings] = []
        for entry in self._entries.values():
            address = entry.address
            if address is None:
                request = await self._request(entry)
                address = None if request is None else request.url
            if address is not None and _origin(address) == origin:
                there.append(entry)
        for entry in there:
            if len(there) == 1:
                return entry
            request = await self._request(entry)
            if request is not None and lasting(request.headers) == lasting(headers):
                return entry
        return there[0] if there else None

    async def _request(self, entry: ProviderSettings) -> Sent | None:
        """A request as the account makes them, `None` where it makes none."""
        online = self._any_online(entry)
        return None if online is None else await online.request(b"{}")

    def _any_online(self, entry: ProviderSettings) -> Online | None:
        """What the account sends, of its requests and errors, not of a model; `None`: nothing."""
        try:
            call = Call(self._endpoint, entry.any_model(self._endpoint))
            return self._accounts[entry.name].online(call)
        except ValueError:
            return None  # a class of one's own knows its models, and this name is none of them

    def _refused(self, entry: ProviderSettings, answer: Answer) -> Refused | None:
        """What an answer says, if it is an error in the account's dialect."""
        online = self._any_online(entry)
        if online is None:
            return None
        read = online.dialect.decode(answer.status, answer.body, b"")
        return online.notes.refusal(answer, read) if isinstance(read, Refused) else None

    def _check_address(self, entry: ProviderSettings, *, moved: bool = False) -> str:
        named = [name for name in (entry.address_of, entry.address_setting) if name]
        settings = " and ".join(f"`{name}`" for name in named)
        setting = f"{settings} of the provider '{entry.name}'"
        if self._from_flags:
            setting = "--base-url"
        return f"Set {setting} to that address." if moved else f"Check {setting}."

    def _check_key(self, entry: ProviderSettings) -> str:
        if self._from_flags:
            return "Name the variable that holds its key with --api-key-env."
        variable = "" if entry.key_variable is None else f" (or the variable {entry.key_variable})"
        return f"Check `{entry.credential_setting}` of the provider '{entry.name}'{variable}."


_CHECK_MODEL: Final = "Name one that it has with --model, or in the lines."


class _Stay(HTTPRedirectHandler):
    """A key is not carried to another address."""

    def redirect_request(  # noqa: PLR0917 - urllib's own signature
        self,
        req: Request,
        fp: object,
        code: int,
        msg: str,
        headers: object,
        newurl: str,
    ) -> None:
        """Follow nothing."""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = URL(url)
    return parts.scheme, parts.host, parts.port


def _host(url: str) -> str:
    parts = URL(url)
    host = parts.host or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.is_default_port() else f"{host}:{parts.port}"


def _is_object(body: bytes) -> bool:
    return isinstance(_json(body), dict)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _model(body: bytes) -> str:
    found = _json(body)
    text = cast("dict[str, Any]", found).get("model") if isinstance(found, dict) else None
    shown = text if isinstance(text, str) else ""
    return "".join(c if c.isprintable() else "\ufffd" for c in shown[:100])


def _speaks_of_model(body: bytes, model: str) -> bool:
    """Whether a 404 is about the model: an error object does so, a web server's page does not."""
    text = body[:4096].decode("utf-8", "replace")
    named = model != "" and model in text
    return isinstance(_json(body), dict) and (named or "model" in text.lower())


def _moved(url: str, answer: Answer, endpoint: str) -> str:
    target = urljoin(url, answer.header("location") or "")
    try:
        shown = URL(target).with_user(None).with_query(None).with_fragment(None)
    except ValueError:
        return "another address"
    text = str(shown).removesuffix(endpoint.removeprefix("/v1")).rstrip("/")
    return text[:200] if text.isascii() and text.isprintable() else "another address"


def _why_unreachable(url: str) -> str:
    """Look again, to say why nothing could be sent. Blocks for some seconds at most."""
    address = URL(url)
    try:
        proxy = proxy_for(address)
    except ValueError as error:
        return str(error)
    through = "" if proxy is None else f"the proxy {proxy.host}:{proxy.port}: "
    host, port = address.host or "", address.port or 443
    if proxy is not None:
        host, port = proxy.host or "", proxy.port or 80
    try:
        with socket.create_connection((host, port), timeout=_LOOK_SECONDS) as connection:
            if address.scheme == "https" and proxy is None:
                context = ssl.create_default_context()
                with context.wrap_socket(connection, server_hostname=host):
                    pass
        return through + "the connection could not be made"
    except socket.gaierror:
        return f"{through}there is no host named {host}"
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not trusted ({error.verify_message})"
    except ssl.SSLError as error:
        plain = error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}
        return (
            "it does not speak TLS; perhaps http:// instead of https://"
            if plain
            else (f"TLS failed ({error.reason or 'unknown reason'})")
        )
    except ConnectionRefusedError:
        return f"{through}nothing listens on port {port} (connection refused)"
    except TimeoutError:
        return f"{through}no answer to a connection on port {port}"
    except OSError as error:
        return through + (error.strerror or "the connection failed")


def _models(url: str, endpoint: str, headers: Mapping[str, str]) -> str:
    """` It has: ...`, from the list of models beside the endpoint; nothing where there is none."""
    base = url.partition("?")[0].removesuffix(endpoint.removeprefix("/v1"))
    proxy = proxy_for(URL(url))
    proxies = {} if proxy is None else {"http": str(proxy), "https": str(proxy)}
    opener = build_opener(ProxyHandler(proxies), _Stay())
    sent = {name: value for name, value in headers.items() if name != "content-type"}
    request = Request(f"{base}/models", headers=sent)  # noqa: S310 - http(s), as configured
    try:
        with opener.open(request, timeout=_LOOK_SECONDS) as answer:
            listed: Any = json.loads(answer.read(_MOST_LISTED))
        names = [str(each["id"]) for each in listed["data"]]
    except (URLError, OSError, ValueError, KeyError, TypeError):
        return ""
    shown = [name[:80] for name in names if name.isprintable()][:_SHOWN_MODELS]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f" It has: {', '.join(shown)}{more}." if shown else ""
