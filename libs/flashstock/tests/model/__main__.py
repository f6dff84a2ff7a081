"""Print the trace of every unsafe variant, then search the protocol in worlds too wide for a test."""

import sys

from libs.flashstock.tests.model.rules import Rules
from libs.flashstock.tests.model.scenarios import WIDE_WORLDS, WORLDS
from libs.flashstock.tests.model.search import search
from libs.flashstock.tests.model.variants import VARIANTS

for variant in VARIANTS:
    sys.stdout.write(f"\n{variant.name}\n{search(variant.rules, variant.world)}\n")
for world in (*WORLDS, *WIDE_WORLDS):
    sys.stdout.write(f"\n{world.name}\n{search(Rules(), world)}\n")
    sys.stdout.flush()
