"""What to make of a recording that was never ended: a power cut, a pulled card, a kill.

What was synced is on flash; the manifest's lines for it may be missing. Nothing is rewritten:
the recovered file is described (its length, the head that it should have), so a second power
cut during recovery finds the same files as the first.
"""

import os
from binascii import hexlify

from . import media, repair


def recover(store, entry):
    """Append to the manifest what an interrupted recording holds, and its end.

    False if there was nothing in it: then it has been removed. False, too, if a file that
    the manifest names is gone: then it is quarantined. Raises StorageError.
    """
    known = 0  # bit i: file i
    for file in entry.files():
        known |= 1 << file["index"]
    found = []
    for rest in store.media(entry.seq):
        if not known & 1 << int(rest[:2], 36):
            path = store.path(entry.seq, rest)
            content_type = media.from_extension(rest)
            file = store.guard(lambda p=path, t=content_type: _describe(p, t))
            if file["size"]:
                file["index"] = int(rest[:2], 36)
                found.append({"file": file})
    found.sort(key=lambda line: line["file"]["index"])
    if not known and not found:
        store.remove(entry.seq)
        return False
    count = entry.count + len(found)
    if entry.end and entry.end.get("count") != count:
        store.quarantine(entry, "%d files, not %s" % (count, entry.end.get("count")), True)
        return False
    # An end that was there is still true; only lines before it were lost.
    end = dict(entry.end) if entry.end else {"interrupted": True}
    end["count"] = count
    found.append({"end": end})
    store.append(store.path(entry.seq, ".rec"), *found)
    return True


def _describe(path, content_type):
    file = {"content_type": content_type, "size": os.stat(path)[6]}
    with open(path, "rb") as f:
        if content_type == "audio/wav":
            head = repair.wav_head(f, file["size"])
            if head:
                file["head"] = hexlify(head).decode()
        elif content_type in ("audio/opus", "audio/ogg"):
            file["size"] = repair.ogg_length(f, file["size"])
    return file
