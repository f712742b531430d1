"""What each command does. Each takes the settings and its parsed arguments, and returns the exit
status."""

import asyncio
import json

from arguments import parse_add, parse_drain, parse_id, parse_none
from lock import Locked
from terminal import Lines, Terminal, is_terminal

from uploader import Store, Uploader, layout, owner
from uploader.links.host import HostLink


def add(settings, options):
    """Store a recording from files and print its local id."""
    found, metadata, files = options
    with Locked(settings):
        store = open_store(settings)
        recording = store.begin(found.get("name"), found.get("started-at", ""), metadata)
        buf = bytearray(settings.chunk_bytes)
        mv = memoryview(buf)
        for path, content_type, captured_at in files:
            writer = recording.add(layout.kind_of(content_type), content_type, captured_at)
            with open(path, "rb") as f:
                while True:
                    n = f.readinto(buf)
                    if not n:
                        break
                    writer.write(mv[:n])
            writer.close()
        recording.end(found.get("ended-at", ""))
        print(recording.id)
    return 0


def drain(settings, options):
    """Upload what is pending."""
    timeout_s, tries = options
    with Locked(settings):
        show = Terminal() if is_terminal() else Lines()
        enough = Enough(tries, show.event)
        up = Uploader(settings, open_store(settings), [HostLink()], enough.event)
        empty = asyncio.run(enough.of(up.drain(timeout_s)))
        show.done()
        return 0 if empty else 1


class Enough:
    """Ends what fails so many times; events go on to `show`."""

    def __init__(self, tries, show):
        self._left = tries
        self._show = show
        self._end = asyncio.Event()

    def event(self, name, info):
        """Show an event, and count it if something failed and is to be tried again."""
        self._show(name, info)
        if name == "retry":
            self._left -= 1
            if self._left <= 0:
                self._end.set()

    async def of(self, draining):
        """What `draining` gives; False if it failed often enough."""
        task = asyncio.create_task(draining)

        async def watch():
            await self._end.wait()
            task.cancel()

        watching = asyncio.create_task(watch())
        try:
            return await task
        except asyncio.CancelledError:
            return False
        finally:
            watching.cancel()


def status(settings, _):
    """Print the queue as JSON."""
    print(json.dumps(owner.status(open_store(settings))))
    return 0


def quarantined(settings, _):
    """Print what is in quarantine, a line each: local id and reason."""
    for entry in owner.quarantined(open_store(settings)):
        print(entry.id, entry.bad)
    return 0


def requeue(settings, local_id):
    """Put a recording in quarantine back into the queue."""
    with Locked(settings):
        owner.requeue(open_store(settings), local_id)
    return 0


def discard(settings, local_id):
    """Delete a recording that is in quarantine."""
    with Locked(settings):
        owner.discard(open_store(settings), local_id)
    return 0


def held(settings, _):
    """Print the recordings of an earlier binding, a line each."""
    for entry in owner.held(open_store(settings)):
        print(entry.id, entry.begin.get("name") or "")
    return 0


def adopt(settings, local_id):
    """Let a held recording be uploaded under the present token."""
    with Locked(settings):
        owner.adopt(open_store(settings), local_id)
    return 0


def open_store(settings):
    """The store of a configuration."""
    return Store(settings)


# Each command's parser and what it does.
COMMANDS = {
    "add": (parse_add, add),
    "drain": (parse_drain, drain),
    "status": (parse_none, status),
    "quarantined": (parse_none, quarantined),
    "requeue": (parse_id, requeue),
    "discard": (parse_id, discard),
    "held": (parse_none, held),
    "adopt": (parse_id, adopt),
}
