"""Defaults that stand in two rooms agree: what a test or a tool leaves out is what people get."""

from batchway.bootstrap.parts import scan_limits
from batchway.bootstrap.worker import new_limits
from batchway.cli.options import DEFAULT_SERVER
from batchway.dispatch.limits import Limits
from batchway.settings import OpenAISettings, Settings
from batchway.settings.provider import NativeSettings
from batchway.settings.schema import ServerSettings
from batchway.workflows.native.accounts import NativeTuning
from batchway.workflows.plan.scan import ScanLimits


def test_limits_of_a_provider() -> None:
    entry = OpenAISettings.model_validate({"name": "p", "type": "openai", "api_key": "sk-1"})
    assert new_limits(entry) == Limits()


def test_limits_of_an_input_file() -> None:
    settings = Settings()
    assert scan_limits(settings, max_errors=settings.limits.max_errors) == ScanLimits()


def test_how_jobs_are_watched() -> None:
    native, tuning = NativeSettings(), NativeTuning()
    names = ("poll_min", "poll_max", "settle", "lateness", "cancel_patience", "keep_files")
    assert [getattr(native, name) for name in names] == [getattr(tuning, name) for name in names]


def test_where_the_server_is() -> None:
    server = ServerSettings()
    assert f"http://{server.host}:{server.port}" == DEFAULT_SERVER
