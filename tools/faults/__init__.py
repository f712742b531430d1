"""`make fault-test` and `make soak`: the network at its worst."""
