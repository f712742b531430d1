"""What a device runs at boot: see app.py.

`board.py` (from boards/) has what is particular to the hardware, `/config.json` what is
particular to the device. `app` stays reachable from the REPL after Ctrl-C: `app.status()`.
"""

import asyncio

from app import make

app = make()
if app:
    try:
        asyncio.run(app.run())
    finally:
        app.close()
