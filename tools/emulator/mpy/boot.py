"""Runs before main.py: the probe must be there before the module takes `tls`."""

import probe

probe.note("boot")
probe.watch_tls()
