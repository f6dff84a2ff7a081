"""Load on the flash sale, and the laboratory that explains it."""
