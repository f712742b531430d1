"""What to make of a recording that was never ended: a power cut, a pulled card, a kill.

What was synced is on flash; the manifest's lines for it may be missing. Nothing is rewritten:
the recovered file is described (its length, a repaired head), so a second power cut during
recovery finds the same files as the first.
"""

import os

from . import media


def recover(store, entry):
    """Append to the manifest what an interrupted recording holds, and its end.

    False if there was nothing in it: then it has been removed.
    Raises StorageError if the storage refuses.
    """
    known = set()
    for f in entry.files():
        known.add(f["index"])
    found = {}
    for suffix in store.suffixes(entry.seq):
        index, _, _ = suffix.partition(".")
        content_type = media.from_extension(suffix)
        if not index.isdigit() or content_type is None or int(index) in known:
            continue
        path = store.path(entry.seq, suffix)
        size = os.stat(path)[6]
        if size:
            found[int(index)] = {
                "index": int(index),
                "content_type": content_type,
                "size": size,
            }
    if not known and not found:
        store.remove(entry.seq)
        return False
    values = [{"file": found[i]} for i in sorted(found)]
    values.append({"end": {"interrupted": True, "count": len(known) + len(found)}})
    store.append(store.path(entry.seq, "rec"), *values)
    return True
