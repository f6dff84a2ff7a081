"""Credentials that cannot be had: an outage as any other, by whatever error it shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any

from botocore.exceptions import BotoCoreError, CredentialRetrievalError

_PROVIDER = "credential_provider"


@contextmanager
def retrieving() -> Iterator[None]:
    """Have whatever goes wrong while credentials are read or renewed be an error of botocore's.

    A fresh pair that has expired too, as after a jump of the clock, is a RuntimeError there, and what it cannot read a
    KeyError: no fault of what was asked.
    """
    try:
        yield
    except BotoCoreError:
        raise
    except Exception as error:
        raise CredentialRetrievalError(provider="configured", error_msg=repr(error)) from error


def naming_errors(session: Any) -> Any:  # noqa: ANN401 - aiobotocore's, untyped
    """An aiobotocore session, whose credentials from now on fail as in `retrieving` for every client."""
    provider = session.get_component(_PROVIDER)
    if not isinstance(provider, _Provider):
        session.register_component(_PROVIDER, _Provider(provider))
    return session


class _Provider:
    """The chain that finds a session's credentials."""

    def __init__(self, chain: Any) -> None:  # noqa: ANN401 - as above
        self._chain = chain

    async def load_credentials(self) -> "_Credentials | None":
        with retrieving():
            found = await self._chain.load_credentials()
        return None if found is None else _Credentials(found)


class _Credentials:
    """What was found, and is renewed when it must be."""

    def __init__(self, found: Any) -> None:  # noqa: ANN401 - as above
        self._found = found

    async def get_frozen_credentials(self) -> Any:  # noqa: ANN401 - as above
        with retrieving():
            return await self._found.get_frozen_credentials()

    async def get_account_id(self) -> str | None:
        """Part of DynamoDB's own address; to be told, credentials are renewed."""
        with retrieving():
            told = self._found.get_account_id()
            account_id: str | None = await told if isawaitable(told) else told
        return account_id

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        return getattr(self._found, name)
