"""A simulated payment provider over HTTP, and the independent witness of every charge."""
