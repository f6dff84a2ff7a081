"""The load on the shop: open loop, the generators as processes, and the journal they write."""
