"""Print the trace of every unsafe variant, then search the protocol in worlds too wide for a test."""

import sys

from libs.flashpay.tests.model.rules import Rules
from libs.flashpay.tests.model.scenarios import WIDE_WORLDS, WORLDS
from libs.flashpay.tests.model.search import search
from libs.flashpay.tests.model.variants import VARIANTS

for variant in VARIANTS:
    sys.stdout.write(f"\n{variant.name}\n{search(variant.rules, variant.world)}\n")
for world in (*WORLDS, *WIDE_WORLDS):
    sys.stdout.write(f"\n{world.name}\n{search(Rules(), world)}\n")
    sys.stdout.flush()
