"""The first signal asks to stop, the second one ends the process."""

import asyncio
import os
import signal

import pytest

from flashops.lifecycle import Shutdown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_sets_the_event(number: signal.Signals) -> None:
    async with Shutdown() as shutdown:
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            await shutdown.event.wait()
        assert shutdown.signal is number


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_the_second_signal_exits_at_once(number: signal.Signals, status: int) -> None:
    exited: asyncio.Queue[int] = asyncio.Queue()
    async with Shutdown(exit_process=exited.put_nowait) as shutdown:
        os.kill(os.getpid(), signal.SIGTERM)
        await shutdown.event.wait()
        assert exited.empty()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            assert await exited.get() == status


def test_an_exit_at_once_runs_nothing_more_of_ours() -> None:
    assert Shutdown()._exit_process is os._exit


async def test_a_requested_stop_leaves_the_first_signal_polite() -> None:
    exited: list[int] = []
    async with Shutdown(exit_process=exited.append) as shutdown:
        shutdown.request()
        shutdown._receive(signal.SIGTERM)
        assert exited == []
        shutdown._receive(signal.SIGTERM)
        assert exited == [143]


async def test_the_signals_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with Shutdown():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
