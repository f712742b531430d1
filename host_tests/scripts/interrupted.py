"""Begin a recording and lose power: interrupted.py CONFIG CONTENT_TYPE BYTES FILE.

Writes the first BYTES of FILE, syncs, and ends without ending the recording.
"""

import sys

sys.path.insert(0, sys.argv[0].rsplit("/", 1)[0] + "/../../firmware")

from uploader import Store, layout, load_config

settings = load_config(sys.argv[1])
store = Store(settings)
recording = store.begin("cut short")
writer = recording.add(layout.kind_of(sys.argv[2]), sys.argv[2])
with open(sys.argv[4], "rb") as f:
    writer.write(f.read(int(sys.argv[3])))
writer.sync()
