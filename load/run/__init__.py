"""A run: its shop, its processor tasks, the probes that ask and sample it, and the experiment of many runs."""
