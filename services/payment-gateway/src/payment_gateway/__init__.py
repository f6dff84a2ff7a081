"""A simulated payment provider over HTTP, with an independent record of every charge."""
