"""The price file: complete, sourced, exact, and refused by key."""

import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from load.model import FreeKey, PriceKey, PricesError, load_prices
from load.model.prices import DEFAULT_PRICES, parse_prices


@pytest.fixture
def document() -> dict[str, object]:
    return tomllib.loads(DEFAULT_PRICES.read_text(encoding="utf-8"), parse_float=Decimal)


def section(document: dict[str, object], name: str) -> dict[str, object]:
    found = document[name]
    assert isinstance(found, dict)
    return found


def test_the_shipped_prices_hold_every_key_exactly_with_a_source() -> None:
    prices = load_prices()
    assert set(prices.price) == set(PriceKey)
    assert set(prices.free) == set(FreeKey)
    assert prices.price[PriceKey.LAMBDA_X86].amount == Decimal("0.0000166667")
    assert all(price.source.startswith("https://aws.amazon.com/") for price in prices.price.values())


@pytest.mark.parametrize("key", [*PriceKey, *FreeKey])
def test_a_missing_figure_is_named(document: dict[str, object], key: str) -> None:
    name, figure = key.split(".")
    del section(document, name)[figure]
    with pytest.raises(PricesError, match=f"^{key}: is missing"):
        parse_prices(document)


@pytest.mark.parametrize("value", ["cheap", -1, True, Decimal("NaN"), Decimal("Infinity"), None])
def test_a_figure_that_is_no_price_is_named(document: dict[str, object], value: object) -> None:
    section(document, "alb")["hour"] = {"price": value, "unit": "hour", "source": "a page"}
    with pytest.raises(PricesError, match=r"^alb\.hour\.price: must be"):
        parse_prices(document)


def test_a_figure_without_a_source_is_refused(document: dict[str, object]) -> None:
    section(document, "free")["logs_gb"] = {"amount": 5}
    with pytest.raises(PricesError, match=r"^free\.logs_gb\.source"):
        parse_prices(document)


@pytest.mark.parametrize("key", ["as_of", "region", "currency"])
def test_the_head_is_required(document: dict[str, object], key: str) -> None:
    del document[key]
    with pytest.raises(PricesError, match=f"^{key}: must be"):
        parse_prices(document)


def test_unknown_keys_are_named(document: dict[str, object]) -> None:
    section(document, "alb")["hours"] = {}
    with pytest.raises(PricesError, match=r"^alb\.hours: is not a known key"):
        parse_prices(document)
    del section(document, "alb")["hours"]
    document["albs"] = {}
    with pytest.raises(PricesError, match=r"^albs: is not a known key"):
        parse_prices(document)


def test_sections_and_figures_must_be_tables(document: dict[str, object]) -> None:
    section(document, "alb")["hour"] = Decimal(1)
    with pytest.raises(PricesError, match=r"^alb\.hour: must be a table"):
        parse_prices(document)
    document["alb"] = 3
    with pytest.raises(PricesError, match=r"^alb: must be a table"):
        parse_prices(document)


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text("as_of =", encoding="utf-8")
    with pytest.raises(PricesError, match="is not TOML"):
        load_prices(file)
