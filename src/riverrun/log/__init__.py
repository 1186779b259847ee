"""The durable sequence of one run: what may be appended, how it is read, what a store must keep. Pure."""
