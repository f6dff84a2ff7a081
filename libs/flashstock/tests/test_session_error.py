"""aiohttp's error is known where aiohttp is, and nobody imports it to ask."""

import sys

import aiohttp
import pytest

from flashstock.session_error import session_error


def test_where_aiohttp_is_in_use_its_error_is_told() -> None:
    assert session_error() == (aiohttp.ClientError,)


def test_where_nobody_imported_it_nothing_can_have_raised_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "aiohttp")
    assert session_error() == ()
    assert "aiohttp" not in sys.modules
