"""Programs to copy: what a client, a provider's adapter and a second consumer look like."""
