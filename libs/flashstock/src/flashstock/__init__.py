"""Limited stock: leased to the processes that sell it, journaled before the publish, returned by itself."""
