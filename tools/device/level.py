"""How loud the microphone is, and what `voice_start` would make of it: `make level`."""

from collections.abc import Callable

from .connection import Device, DeviceError

# A line each half second, of the loudest of its buffers.
_CODE = """
try:
    app
except NameError:
    app = None
if app is None:
    from app import make
    app = make()
if app is None:
    answer = ""
else:
    import asyncio
    from recorders import trial, voice
    asyncio.new_event_loop()  # what Ctrl-C left behind would go on otherwise
    settings = app.settings
    ear = voice.Voice(settings.voice_threshold_db, settings.voice_silence_s * 1000)
    heard = []
    def take(buf, level):
        heard.append(level.dbfs())
        ear.feed(heard[-1], 128)
        if len(heard) == 4:
            print("LEVEL %d %d %d" % (max(heard), ear.floor_db, ear.active))
            heard.clear()
    try:
        listened = trial.listen(app.board, app.clock, seconds, take, settings.audio_rate)
        found = asyncio.run(listened)
        answer = None if found else "it has no microphone"
        if found and found[1]:
            answer = "it hears one value only: a broken wire looks like that"
    except (OSError, ValueError, MemoryError) as e:
        answer = "its microphone can't be opened: %s" % e
"""


def listen(device: Device, seconds: int, tell: Callable[[int, int, bool], None]):
    """Have the device listen; `tell(dbfs, floor, voice)` each half second. Raises DeviceError
    where nothing is heard."""
    line = bytearray()

    def hear(data: bytes):
        line.extend(data)
        while b"\n" in line:
            text, _, rest = bytes(line).partition(b"\n")
            line[:] = rest
            words = text.split()
            if words[:1] == [b"LEVEL"]:
                tell(int(words[1]), int(words[2]), words[3] == b"1")

    trouble = device.ask(_CODE, hear, seconds=seconds)
    if trouble is not None:
        raise DeviceError(f"Nothing is heard: {trouble or device.told()}.")
