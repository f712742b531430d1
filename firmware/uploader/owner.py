"""What the owner may see and do: the queue's status, quarantine, held recordings.

Functions of a Store in a module of their own, because a device that only records and uploads
need not load them.
"""

import os

from . import layout
from .errors import StorageError


def status(store):
    """The queue as a dict for people: `pending`, `quarantined`, `held`, `bytes`,
    `free_bytes`, `recordings`.

    Reads only. `recordings` has `id`, `state`, `recording_id`, `reason` (of a
    quarantine) and `files` with `name`, `content_type`, `size` and `sent`. This one
    grows with the queue. Raises StorageError.
    """
    result = {
        "pending": 0,
        "quarantined": 0,
        "held": 0,
        "bytes": 0,
        "free_bytes": store.space.free_bytes(),
        "recordings": [],
    }
    for entry in store.entries(under_way=True):
        if entry.done:
            continue
        about = _about(store, entry)
        result["bytes"] += sum(f["size"] for f in about["files"])
        kind = about["state"]
        result[kind if kind in ("quarantined", "held") else "pending"] += 1
        result["recordings"].append(about)
    return result


def _about(store, entry):
    files = []
    for rest in sorted(store.media(entry.seq)):
        path = store.path(entry.seq, rest)
        files.append(
            {
                "name": path[len(store.directory) + 1 :],
                "content_type": layout.content_type_of(rest),
                "size": store.space.guard(os.stat, path)[6],
                "sent": entry.sent(int(rest[:2], 36)),
            }
        )
    about = {
        "id": entry.id,
        "state": "held" if entry.bad is None and store.is_held(entry) else state(entry),
        "recording_id": entry.recording_id,
        "files": files,
    }
    if entry.bad is not None:
        about["reason"] = entry.bad
    return about


def state(entry):
    """An Entry's state, one of `quarantined recording interrupted ended created uploading
    uploaded`. Raises StorageError."""
    if entry.bad is not None:
        return "quarantined"
    if entry.end is None:
        return "recording" if entry.live else "interrupted"
    if entry.recording_id is None:
        return "ended"
    sent = sum(entry.sent(file["index"]) for file in entry.files())
    if not sent:
        return "created"
    return "uploaded" if sent == entry.count else "uploading"


def quarantined(store):
    """Generate the entries in quarantine, oldest first; `bad` is the reason. Raises
    StorageError."""
    for entry in store.entries():
        if entry.bad is not None and not entry.done:
            yield entry


def requeue(store, local_id):
    """Put a recording in quarantine back into the queue.

    If it was damaged, what is there of it is uploaded as an interrupted recording. Raises
    StorageError if it is not in quarantine.
    """
    entry = store.entry(local_id)
    if entry.bad is None:
        raise StorageError("recording %s is not in quarantine" % local_id)
    if entry.damaged:
        if entry.begin is None:
            begin = {"v": layout.VERSION, "binding": store.credentials.binding}
            store.append(store.path(entry.seq, ".rec"), {"begin": begin})
        store.append(store.path(entry.seq, ".rec"), {"anew": 1})
    entry.note("retry")


def held(store):
    """Generate the entries of another end user (made under an earlier binding), oldest first.
    Raises StorageError."""
    for entry in store.entries():
        if entry.bad is None and not entry.done and store.is_held(entry):
            yield entry


def adopt(store, local_id):
    """Let a held recording be uploaded under the present binding, to its end user.

    Raises StorageError if it is not held.
    """
    entry = store.entry(local_id)
    if entry.bad is not None or not store.is_held(entry):
        raise StorageError("recording %s is not held" % local_id)
    # What was created under the other token belongs to the other user.
    entry.note("gone")
    entry.note("binding", store.credentials.binding)


def discard(store, local_id):
    """Delete a recording that is in quarantine or held. Raises StorageError if it is
    neither."""
    entry = store.entry(local_id)
    if entry.bad is None and not store.is_held(entry):
        raise StorageError("recording %s is neither in quarantine nor held" % local_id)
    entry.note("done")
    store.remove(entry.seq)
