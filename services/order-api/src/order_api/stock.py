"""`python -m order_api.stock show|set|add`: how many units of a product there are, for people and scripts."""

import argparse
import asyncio
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from botocore.exceptions import BotoCoreError

from flashbus.clients import aws_client
from flashstock.counters import Counters
from flashstock.dynamo import dynamo_stock
from flashstock.errors import StockError, StockUnavailableError
from flashstock.levels import MAX_UNITS, StockLevel
from order_api.catalogue import CatalogueError, ProductSource
from order_api.dynamo_products import DynamoProducts, is_product_id

PROGRAM = "python -m order_api.stock"
_FAILED, _USAGE = 1, 2
_WHOLE_NUMBER = re.compile(r"[0-9]{1,15}")
_VARIABLES = ("PRODUCTS_TABLE", "STOCK_TABLE")
_AS_IT_WAS = "the customer limit is as it was"
_EPILOG = """\
A product without stock is not limited. The API knows a change within a second. For a product that is limited from its
first order on, set its stock first (set --before-catalogue), and then write its row of the catalogue.

environment variables:
  PRODUCTS_TABLE  DynamoDB table of the catalogue (required)
  STOCK_TABLE     DynamoDB table of limited stock (required)
  AWS_*           the standard AWS variables: region, credentials, endpoint

exit status: 0 done; 1 not done, and nothing is changed unless it says otherwise; 2 a wrong argument or variable
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StockCommand:
    """What the command line does, and with what."""

    counters: Counters
    products: ProductSource

    async def run(self, arguments: argparse.Namespace) -> str:
        """Carry out one command and return what to print.

        Raises:
            StockError: It is refused, or the stock table gives no answer.
            CatalogueError: The products cannot be read.
        """
        if arguments.command == "show":
            return await self.show(arguments.products)
        if arguments.command == "add":
            await self._must_be_for_sale(arguments.product)
            return _sentence(await self.counters.add(arguments.product, arguments.units))
        note = await self._before_catalogue(arguments.product) if arguments.before_catalogue else ""
        if not note:
            await self._must_be_for_sale(arguments.product)
        return _sentence(await self.set(arguments.product, arguments.units, arguments.customer_limit)) + note

    async def show(self, wanted: Sequence[str]) -> str:
        """Tell the counters of some products, or of all that have any."""
        if not wanted:
            levels = await self.counters.all()
            return "\n".join(map(_sentence, levels)) if levels else "no product is limited"
        for_sale = await self.products.load()
        sentences = []
        for product_id in wanted:
            level = await self.counters.get(product_id)
            if level is None and product_id not in for_sale:
                raise _unknown(product_id)
            sentences.append(f"{product_id}: not limited" if level is None else _sentence(level))
        return "\n".join(sentences)

    async def set(self, product_id: str, units: int, customer_limit: int | None) -> StockLevel:
        """Set the total; and what one customer may buy, if that is given: 0 lifts the limit."""
        level = await self.counters.set_total(product_id, units)
        if customer_limit is None:
            return level
        try:
            return await self.counters.set_customer_limit(product_id, customer_limit or None)
        except StockError as exc:
            lost = isinstance(exc, StockUnavailableError) and not exc.certain
            limit = "it is not known whether the customer limit is changed" if lost else _AS_IT_WAS
            raise StockError(f"{_sentence(level)}; {limit}: {exc}") from exc

    async def _before_catalogue(self, product_id: str) -> str:
        """What to say of a product that is not for sale yet; nothing of one that is."""
        if product_id in await self.products.load():
            return ""
        if not is_product_id(product_id):
            # No row could ever be for it.
            raise StockError(f"{product_id!r} is no product id: lower-case letters, digits and hyphens, 64 at most")
        return "; not in the catalogue yet, and limited from its first order on"

    async def _must_be_for_sale(self, product_id: str) -> None:
        if product_id not in await self.products.load():
            raise _unknown(product_id)


def _unknown(product_id: str) -> StockError:
    return StockError(f"there is no product {product_id!r}")


def _sentence(level: StockLevel) -> str:
    limit = "" if level.customer_limit is None else f"; at most {level.customer_limit} a customer"
    return (
        f"{level.product_id}: {level.total} in all, {level.available} available, {level.reserved} reserved,"
        f" {level.sold} sold{limit}"
    )


def _what_is_changed(arguments: argparse.Namespace, error: Exception) -> str:
    if arguments.command == "show" or not isinstance(error, StockUnavailableError):
        return ""
    if error.certain:
        return "; nothing is changed"
    return "; it is not known whether anything is changed: show tells"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Show, set and add to the units of limited products.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="show the units of all limited products, or of those named")
    show.add_argument("products", nargs="*", metavar="PRODUCT", help="product id")
    _add_set(commands.add_parser("set", help="set how many units there are in all; makes a product limited"))
    adding = commands.add_parser("add", help="add units to a limited product")
    adding.add_argument("product", metavar="PRODUCT", help="product id")
    adding.add_argument("units", type=_units(1), metavar="UNITS", help="how many more")
    return root


def _add_set(setting: argparse.ArgumentParser) -> None:
    setting.add_argument("product", metavar="PRODUCT", help="product id")
    setting.add_argument("units", type=_units(0), metavar="UNITS", help="in all, with those reserved and sold")
    setting.add_argument(
        "--before-catalogue", action="store_true", help="also when the catalogue does not have the product yet"
    )
    setting.add_argument(
        "--customer-limit", type=_units(0), metavar="N", help="most units that one customer may buy; 0: no limit"
    )


def _units(least: int) -> Callable[[str], int]:
    def units(text: str) -> int:
        if not _WHOLE_NUMBER.fullmatch(text) or not least <= int(text) <= MAX_UNITS:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number from {least} to {MAX_UNITS}")
        return int(text)

    return units


async def _carry_out(arguments: argparse.Namespace, environ: Mapping[str, str]) -> str:
    async with aws_client("dynamodb") as dynamo:
        command = StockCommand(
            counters=dynamo_stock(client=dynamo, table=environ["STOCK_TABLE"]).counters,
            products=DynamoProducts(client=dynamo, table=environ["PRODUCTS_TABLE"]),
        )
        return await command.run(arguments)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command; see the end of `--help` for the exit status."""
    arguments = parser().parse_args(argv)
    missing = [name for name in _VARIABLES if not environ.get(name, "").strip()]
    if missing:
        sys.stderr.writelines(f"{PROGRAM}: {name}: is required\n" for name in missing)
        return _USAGE
    try:
        done = asyncio.run(_carry_out(arguments, environ))
    except (StockError, CatalogueError, BotoCoreError) as exc:
        sys.stderr.write(f"{PROGRAM}: {exc}{_what_is_changed(arguments, exc)}\n")
        return _FAILED
    sys.stdout.write(done + "\n")
    return 0


if __name__ == "__main__":
    # What is logged of a row that is no product is no part of the answer, which scripts read.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    sys.exit(main(sys.argv[1:], os.environ))
