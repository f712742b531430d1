"""RAM that each module takes once imported, in order: imports.py FOLDER MODULE ...; JSON."""

import sys

sys.path.insert(0, sys.argv[1])

import asyncio
import gc
import json

assert asyncio.Event and asyncio.Lock
out = {}
gc.collect()
before = gc.mem_alloc()
for name in sys.argv[2:]:
    __import__(name)
    gc.collect()
    now = gc.mem_alloc()
    out[name] = now - before
    before = now
print(json.dumps(out))
