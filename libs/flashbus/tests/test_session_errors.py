"""aiohttp's errors are known where aiohttp is, and nobody imports it to ask."""

import sys

import aiohttp
import pytest

from flashbus.session_errors import connector_error, session_error


def test_where_aiohttp_is_in_use_its_errors_are_told() -> None:
    assert session_error() == (aiohttp.ClientError,)
    assert connector_error() == (aiohttp.ClientConnectorError,)


def test_where_nobody_imported_it_nothing_can_have_raised_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "aiohttp")
    assert session_error() == connector_error() == ()
    assert "aiohttp" not in sys.modules
