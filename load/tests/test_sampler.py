from collections.abc import Mapping, Sequence

from load.records import StockSample
from load.run.probes import Probes
from load.run.sampler import Sampler


class SellingShop(Probes):
    """A shop whose three units are reserved at the first sample, and sold at the next."""

    def __init__(self) -> None:
        self.asked = 0

    async def depth(self, _url: str | None = None) -> tuple[int, int]:
        return 0, 0

    @property
    def has_stock(self) -> bool:
        return True

    async def payment_summary(self) -> Mapping[str, int]:
        return {"in_flight": 0, "waiting": 0, "charges": 0, "declined": 0}

    async def slots_busy(self, urls: Sequence[str]) -> float:
        return float(len(urls))

    async def stock(self, at: float) -> list[StockSample]:
        self.asked += 1
        reserved = 3 if self.asked == 1 else 0
        return [StockSample(at=at, product="lamp", total=3, available=0, reserved=reserved, sold=3 - reserved)]


async def test_each_sample_has_the_counters_of_its_moment() -> None:
    sampler = Sampler(probes=SellingShop(), processes={}, processor_urls=[])
    assert sampler.reserved == 0
    await sampler.take()
    assert sampler.reserved == 3
    await sampler.take()
    assert sampler.reserved == 0
    assert [one.at for one in sampler.stock_samples] == [one.at for one in sampler.samples]
