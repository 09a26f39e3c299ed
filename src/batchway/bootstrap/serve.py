"""`serve`: the HTTP server in this thread, the batches in another, on one data directory."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from batchway.api.app import create_app
from batchway.api.doors import DoorLimits, Doors
from batchway.api.parsing import behind
from batchway.bootstrap.accounts import batch_apis, close_accounts, open_accounts
from batchway.bootstrap.heap import keep_heap, share_heap
from batchway.bootstrap.opening import open_blobs, owned
from batchway.bootstrap.parts import (
    SystemClock,
    new_ids,
    new_services,
    prepare_database,
    routing_table,
    service_limits,
)
from batchway.bootstrap.preconditions import check_database, check_proxies
from batchway.bootstrap.signals import StopSignals
from batchway.bootstrap.starting import tell_listening, tell_start
from batchway.bootstrap.work_thread import Work, new_loop
from batchway.domain.errors import Unavailable
from batchway.ports import Account, BatchAccount, Blobs, Clock, Ledger
from batchway.providers.http.descriptors import division, limit, raise_limit
from batchway.service.auth import Auth
from batchway.service.batches import BatchService
from batchway.service.keys import configured_key
from batchway.service.models import ModelService
from batchway.service.readiness import Readiness
from batchway.service.remote import Remote
from batchway.settings import Settings, is_loopback
from batchway.storage import migrations
from batchway.storage.ledger.owner import Owner
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.telemetry import configure_logging, event, render_metrics

_log: Final = logging.getLogger("batchway")
_LEAST_KEY_LENGTH: Final = 16
# How long a thread may keep the interpreter from another that wants it. The standard 5 ms would be
# paid at each of the dozen hand-overs inside one poll while a batch runs flat out.
_SWITCH_SECONDS: Final = 0.0005


def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; returns after batches have drained and committed.

    Raises `Unavailable` (database, data directory, address in use, keyless and not loopback).
    """
    share_heap()
    raise_limit()
    configure_logging(level=settings.logging.level, json=settings.logging.format == "json")
    # Whatever can be refused is refused before there is a data directory or a database.
    _refuse_weak_keys(settings)
    clock = SystemClock()
    accounts = open_accounts(settings, clock=clock)  # of this loop: the work loop has its own
    check_proxies(settings)
    check_database(settings)
    if not settings.auth.keys and migrations.current(settings.database_url) is None:
        _refuse_strangers(settings)
    listener = _bind(settings.server.host, settings.server.port)
    try:
        with owned(settings) as owner:
            prepare_database(settings)
            sys.setswitchinterval(_SWITCH_SECONDS)
            keep_heap()
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(
                    _serve(
                        settings,
                        accounts=accounts,
                        clock=clock,
                        owner=owner,
                        listener=listener,
                        announce=announce,
                    )
                )
    finally:
        listener.close()


async def _serve(
    settings: Settings,
    *,
    accounts: Mapping[str, Account],
    clock: Clock,
    owner: Owner,
    listener: socket.socket,
    announce: Callable[[str], None],
) -> None:
    ledger = await SqlLedger.open(settings.database_url)
    stack = ExitStack()
    try:
        blobs = await open_blobs(settings, ledger)
        # A revoked key counts: taking away the last one must not open the door to everybody.
        open_mode = not settings.auth.keys and not await ledger.keys.list()
        host = settings.server.host
        if open_mode:
            _refuse_strangers(settings)
        shares = division(limit())
        _listen(listener, host, shares.backlog)
        tell_start(settings, database=ledger.label)
        main = asyncio.get_running_loop()
        server: uvicorn.Server | None = None
        death: list[BaseException] = []

        def leave(_: object = None) -> None:
            if server is not None:
                main.call_soon_threadsafe(setattr, server, "should_exit", True)

        def die(error: BaseException) -> None:
            death.append(error)
            leave()

        signals = stack.enter_context(StopSignals(leave))
        work = Work(settings=settings, blobs=blobs, clock=clock, owner=owner, failed=die)
        await asyncio.to_thread(work.start)
        try:
            app = build_app(
                settings,
                ledger=ledger,
                blobs=blobs,
                clock=clock,
                wake=work.wake,
                natives=batch_apis(accounts),
            )
            server = _Server(
                uvicorn.Config(
                    app,
                    http=behind(
                        Doors(DoorLimits(most=shares.clients, turned_away=shares.turned_away))
                    ),
                    ws="none",  # a connection that changes its protocol would leave the doors
                    log_config=None,
                    access_log=False,
                    lifespan="off",
                    timeout_graceful_shutdown=5,
                    server_header=False,
                    timeout_keep_alive=int(DoorLimits().idle_seconds),
                )
            )
            port = listener.getsockname()[1]
            address = f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"
            tell_listening(address, open_mode=open_mode)
            _announce(settings, address, announce, open_mode=open_mode)
            if death:  # before there was a server that `leave` could stop
                raise death[0]
            if signals.number is None:
                await server.serve(sockets=[listener])
            heard = None if signals.number is None else signal.Signals(signals.number).name
            event(_log, "server stops", signal=heard)
        finally:
            await asyncio.to_thread(work.stop, settings.execution.drain_timeout + 10.0)
        if death:
            raise death[0]
    finally:
        stack.close()
        await close_accounts(accounts.values())
        await ledger.close()


def _announce(
    settings: Settings, address: str, announce: Callable[[str], None], *, open_mode: bool
) -> None:
    """Tell whoever started the server where it is, and what it still lacks."""
    announce(f"Batchway listens on {address}")
    if open_mode:
        announce(
            "No API key is configured: anyone on this machine may use it, and nobody else. "
            "Make a key with `batchway keys create NAME`."
        )
    if not settings.providers:
        announce(
            "No provider is configured, so every batch will fail: add one to "
            "batchway.yaml, or set OPENAI_API_KEY."
        )


def build_app(
    settings: Settings,
    *,
    ledger: Ledger,
    blobs: Blobs,
    clock: Clock,
    wake: Callable[[str], None],
    natives: Mapping[str, BatchAccount | None],
) -> FastAPI:
    """The HTTP application over these parts. `natives` are all configured providers."""
    ids = new_ids()
    files, uploads = new_services(settings, ledger=ledger, blobs=blobs, clock=clock)
    batches = BatchService(
        ledger=ledger, clock=clock, ids=ids, files=files, providers=natives, wake=wake
    )
    configured = [
        configured_key(
            name=key.name,
            secret=key.key.get_secret_value(),
            tenant=key.tenant,
            providers=key.providers,
            passthrough=key.passthrough,
        )
        for key in settings.auth.keys
    ]
    return create_app(
        files=files,
        batches=batches,
        uploads=uploads,
        remote=Remote(
            batches=batches,
            files=files,
            ledger=ledger,
            providers=natives,
            configured=configured,
        ),
        models=ModelService(routing=routing_table(settings)),
        auth=Auth(keys=ledger.keys, configured=configured, clock=clock),
        ids=ids,
        clock=clock,
        limits=service_limits(settings),
        health=Readiness(checks=(ledger.check, ledger.probe), blobs=blobs, clock=clock).check,
        metrics=render_metrics,
        open_pages=(
            is_loopback(settings.server.host)
            if settings.server.open_pages is None
            else settings.server.open_pages
        ),
    )


class _Server(uvicorn.Server):
    """uvicorn, which leaves signals to `StopSignals`: they count before and after it serves too."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


def _refuse_weak_keys(settings: Settings) -> None:
    for key in settings.auth.keys:
        if len(key.key.get_secret_value()) < _LEAST_KEY_LENGTH:
            raise Unavailable(
                f"The API key '{key.name}' of the configuration is too easy to guess: give it at "
                f"least {_LEAST_KEY_LENGTH} characters (`openssl rand -hex 24` makes a good one), "
                "or make one with `batchway keys create NAME`."
            )


def _refuse_strangers(settings: Settings) -> None:
    """For when there is no key: raise unless only this machine can connect."""
    host = settings.server.host
    if not is_loopback(host):
        raise Unavailable(
            f"Batchway has no API key, so it will not listen on {host}, where anyone could use it. "
            "Make a key with `batchway keys create NAME`, or listen on 127.0.0.1."
        )


def _bind(host: str, port: int) -> socket.socket:
    """Take the address. Whoever connects is refused until `_listen`, when there is a server."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise Unavailable(f"Cannot listen on {host}: {error.strerror}.") from error
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name != "nt":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _taken(host, port, error) from error
    return listener


def _listen(listener: socket.socket, host: str, backlog: int) -> None:
    try:
        listener.listen(backlog)
    except OSError as error:  # somebody else who had bound it, too, was quicker
        raise _taken(host, listener.getsockname()[1], error) from error


def _taken(host: str, port: int, error: OSError) -> Unavailable:
    return Unavailable(
        f"Cannot listen on {host} port {port}: {error.strerror}. Is another Batchway running? "
        "Choose another port with --port."
    )
