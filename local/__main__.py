"""`python -m local up`: the whole stack in the foreground."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local.emulator import EmulatorMissingError, emulator
from local.processes import ProcessFailedError
from local.shop import ARMS, RunningShop, ShopPlan, open_shop
from local.signals import INTERRUPTED, run_until_interrupted
from local.stack import StackFailedError

WATCH_SECONDS = 0.5


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m local`."""
    root = argparse.ArgumentParser(prog="python -m local", description="The flash sale on this laptop.")
    commands = root.add_subparsers(dest="command", required=True)
    up = commands.add_parser(
        "up",
        help="run the whole stack in the foreground; Ctrl-C stops everything",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    up.add_argument("--arm", choices=ARMS, default="ecs", help="which path orders take after intake")
    up.add_argument("--payment", type=_seconds, default=3.0, metavar="SECONDS", help="how long a payment takes")
    up.add_argument("--capacity", type=_count, default=0, metavar="N", help="payments at once; 0 is no limit")
    up.add_argument("--workers", type=_workers, default=20, metavar="N", help="slots of the processor")
    up.add_argument("--port", type=_port, default=8080, help="where the API listens; 0 picks a free port")
    return root


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 3600:  # noqa: PLR2004  # an hour: NaN fails too
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 3600 seconds")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 10_000:  # noqa: PLR2004  # beyond any laptop
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 10000")
    return value


def _workers(text: str) -> int:
    if (value := _count(text)) == 0:
        raise argparse.ArgumentTypeError("at least one worker is needed")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:  # noqa: PLR2004  # TCP
        raise argparse.ArgumentTypeError(f"{text} is not a TCP port")
    return value


async def up(arguments: argparse.Namespace) -> int:
    """Run a shop until the task is cancelled, or until one of its processes ends by itself (exit code 1)."""
    plan = ShopPlan(
        name="flash-up",
        arm=arguments.arm,
        payment_seconds=arguments.payment,
        capacity=arguments.capacity,
        workers=arguments.workers,
        outcomes=True,
        api_port=arguments.port or None,
    )
    with tempfile.TemporaryDirectory(prefix="flash-up-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _say("starting the embedded AWS, the payment gateway, the API and the processor …")
        async with emulator(folder) as running, open_shop(plan, emulator=running, folder=folder) as shop:
            _say(_welcome(shop, folder))
            try:
                return await _watch(shop)
            finally:
                _say("stopping everything …")


async def _watch(shop: RunningShop) -> int:
    processes = [part for part in (shop.api, shop.processor, shop.gateway) if part is not None]
    while True:
        for process in processes:
            if process.returncode is not None:
                _say(f"the {process.name} ended with code {process.returncode}:\n{process.log_tail()}")
                return 1
        await asyncio.sleep(WATCH_SECONDS)


def _welcome(shop: RunningShop, folder: Path) -> str:
    return "\n".join([*_urls(shop), f"  logs             {folder}", *_examples(shop), "  Ctrl-C stops everything."])


def _urls(shop: RunningShop) -> list[str]:
    lines = [
        "",
        f"  API              {shop.api_url}   (/openapi.json /health)",
        f"  its operations   {shop.api_operations_url}   (/metrics /livez /readyz)",
        f"  payment gateway  {shop.gateway_url}   (/admin/behaviour /admin/charges /admin/summary)",
        f"  embedded AWS     {shop.emulator.endpoint_url}   (any SDK: AWS_ENDPOINT_URL)",
    ]
    if shop.processor_url is not None:
        lines.append(f"  processor        {shop.processor_url}   (/metrics /livez /readyz)")
    return lines


def _examples(shop: RunningShop) -> list[str]:
    body = '{"customer_id": 7, "items": [{"product_id": "headphones", "quantity": 1}]}'
    post = f"curl -i -X POST -H 'Content-Type: application/json' -d '{body}'"
    return [
        "",
        "  Try it:",
        f"  {post} {shop.api_url}/orders/async",
        f"  {post} {shop.api_url}/orders/sync",
        f"  curl -s {shop.api_url}/products",
        f"  {_stock_command(shop)}",
        f"  curl -s {shop.gateway_url}/admin/summary",
        "",
    ]


def _stock_command(shop: RunningShop) -> str:
    tables = {"PRODUCTS_TABLE": shop.outputs["ProductsTableName"], "STOCK_TABLE": shop.outputs["StockTableName"]}
    variables = " ".join(f"{name}={value}" for name, value in (shop.emulator.environment | tables).items())
    return f"env {variables} {sys.executable} -m order_api.stock set headphones 100"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 after Ctrl-C (its proper end), 1 when a part failed, 2 for a wrong argument."""
    arguments = parser().parse_args(argv)
    try:
        code = run_until_interrupted(up(arguments))
    except (EmulatorMissingError, ProcessFailedError, StackFailedError) as exc:
        sys.stderr.write(f"python -m local: {exc}\n")
        return 1
    return 0 if code == INTERRUPTED else code


if __name__ == "__main__":
    sys.exit(main())
