"""Programs to copy: what a client, a provider's adapter and a subscriber look like."""
