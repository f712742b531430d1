"""The states that a recording goes through, found by trying: prints [[before, line, after]]."""

import json
import os
import sys

sys.path.insert(0, sys.argv[0].rsplit("/", 1)[0] + "/../../../firmware")

import uploader
from uploader import owner
from uploader.config import check

# Who writes which line, and when (uploader/session.py, uploader/owner.py); what it comes to is
# found out.
LINES = (
    ("created", ("id", "rec_1"), ("ended",)),
    ("a file is sent", ("sent", 0), ("created",)),
    ("the last file is sent", ("sent", 1), ("uploading",)),
    ("the service lost it", ("gone",), ("created", "uploading", "uploaded")),
    ("refused or damaged", ("bad", "why", False), ("ended", "created", "uploading", "uploaded")),
    ("requeue", ("retry",), ("quarantined",)),
)


def main():
    folder = "/tmp/states-%d" % int.from_bytes(os.urandom(4), "little")
    os.mkdir(folder)
    settings = check(
        {
            "api_url": "http://api.test",
            "allow_insecure": True,
            "device_token": "dtok_x",
            "storage": folder,
            "roots": [],
        }
    )
    store = uploader.Store(settings)
    found = []

    def fresh(lines):
        recording = store.begin()
        for _ in range(2):
            recording.add("audio").write(b"x")
        recording.end()
        entry = store.entry(recording.id)
        for line in lines:
            entry.note(*line)
        return entry

    def note(before, label, after):
        if [before, label, after] not in found:
            found.append([before, label, after])

    recording = store.begin(live=True)
    recording.add("audio").write(b"x")
    (under_way,) = [e for e in store.entries() if e.id == recording.id]
    note(owner.state(under_way), "end", owner.state(fresh([])))
    todo, seen = [[]], []
    while todo:
        lines = todo.pop(0)
        before = owner.state(fresh(lines))
        if before in seen:
            continue
        seen.append(before)
        for label, line, when in LINES:
            if before in when:
                note(before, label, owner.state(fresh(lines + [line])))
                todo.append(lines + [line])
    # A store that is opened anew finds what a power cut left.
    again = uploader.Store(settings)
    cut = [owner.state(e) for e in again.entries() if e.id == recording.id]
    note("recording", "power cut", cut[0])
    note("interrupted", "recovered", "ended")
    note("uploaded", "completed", "[*]")
    for name in os.listdir(folder):
        os.remove(folder + "/" + name)
    os.rmdir(folder)
    print(json.dumps(found))


main()
