"""PPP, either end of it. Runs in CPython, as the modem's network, and in MicroPython, as the
stand-in for network.PPP; so nothing here is CPython's alone."""
