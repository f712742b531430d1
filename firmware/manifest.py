"""Freezes the firmware into a MicroPython build: FROZEN_MANIFEST=.../firmware/manifest.py.

Include the port's own manifest first, as MicroPython's documentation of manifest files says:
what it freezes (asyncio, the esp32 port's boot code) is still needed. `board.py` and `main.py`
stay files on the device.
"""

try:
    include("$(PORT_DIR)/boards/manifest.py")
except Exception:
    include("$(PORT_DIR)/variants/manifest.py")  # the unix port, to measure with
metadata(description="Recording uploader", version="0.1.0")
package("uploader", opt=3)
package("recorders", opt=3)
package("updates", opt=3)
package("setup", opt=3)
module("app.py", opt=3)
module("doctor.py", opt=3)
module("elsewhere.py", opt=3)
module("power.py", opt=3)
module("resting.py", opt=3)
module("running.py", opt=3)
module("sender.py", opt=3)
module("start.py", opt=3)
module("status.py", opt=3)
