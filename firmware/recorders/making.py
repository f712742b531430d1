"""One recording after another, from the microphone to its files, as the settings are now.

Loaded with all that it takes when something is to be recorded; see Control.
"""

import asyncio

from micropython import const

_LATE_S = const(2)
# What each buffer holds, without PSRAM and with it: there a TLS handshake may come meanwhile.
_BUFFER_MS = const(128)
_ROOMY_MS = const(1000)
_LOOK_MS = const(100)
# What only a recording needs. Not the modules of machine code: those are freed by a reset only.
_PARTS = (
    "making recorder capture gaps level level_plain microphone segments voice"
    " codecs native wav adpcm adpcm_plain flac flac_plain camera"
)


class Making:
    """Makes recordings with the microphone of `board`; `settings` and `emit` as for Control,
    `roomy` as the Uploader's."""

    def __init__(self, board, settings, clock, emit, roomy):
        self._board = board
        self._settings = settings
        self._clock = clock
        self._emit = emit
        self._buffer_ms = _ROOMY_MS if roomy else _BUFFER_MS
        self._recorder = None
        self._made_for = None  # (rate, ms of a buffer) of the recorder
        self._codec = None  # ((name, rate), encoder) of the last recording
        self._stream = None  # a microphone that is open already
        self._count = 0  # of a recording without sound, at whether it ends

    def recorder(self):
        """The Recorder."""
        key = self._settings.audio_rate, self._settings.audio_buffer_ms or self._buffer_ms
        if self._recorder is None or self._made_for != key:
            from .recorder import Recorder

            self._recorder = Recorder(self._make_stream, self._clock, self._emit, *key)
            self._made_for = key
        return self._recorder

    def encoder(self):
        """The encoder (see `codecs.make`)."""
        key = name, rate = self._settings.audio_codec, self._settings.audio_rate
        if self._codec is None or self._codec[0] != key:
            if name == "wav":
                from .wav import Wav

                self._codec = key, Wav(rate)
            else:
                from .codecs import make

                self._codec = key, make(name, rate, self._clock, self._emit)
        return self._codec[1]

    def _make_stream(self):
        from . import microphone

        stream, self._stream = self._stream, None
        return stream or microphone.of(self._board, self._settings.audio_rate)

    async def record(self, recording, max_s=0, voice=None, at_once=False):
        """Fill `recording` for at most `max_s` seconds (0: until `stop`), or until `voice` hears
        its end. With `at_once` a microphone that can't be opened is not waited for: raises
        OSError."""
        self._count = 0
        settings = self._settings
        recorder, encoder = self.recorder(), self.encoder()
        if at_once and not recorder.is_open:  # it is where a voice was listened for
            self._stream = self._make_stream()
        beside = [self._stills(recording), max_s and asyncio.create_task(self._stop_after(max_s))]
        segments = settings.segment_bytes, settings.segment_seconds
        try:
            await recorder.record(recording, encoder, segments, max_s, voice)
        finally:
            for task in beside:
                if task:
                    task.cancel()

    async def take(self, recording, max_s=0):
        """Fill `recording` with pictures alone for `max_s` seconds (0: until `stop`), or until the
        camera fails."""
        self._count = 1
        ends_ms = self._clock.uptime_ms() + max_s * 1000
        task = self._stills(recording)
        while task and not task.done() and self._count:
            if max_s and self._clock.uptime_ms() >= ends_ms:
                break
            await self._clock.sleep_ms(_LOOK_MS)
            self._count += bool(self._count)
        if task:
            task.cancel()

    async def _stop_after(self, seconds):
        """The end of a recording whose microphone never gave as much."""
        await self._clock.sleep(seconds + _LATE_S)
        self.stop()

    def _stills(self, recording):
        """A task that takes pictures beside the sound, if they are wanted; None otherwise."""
        every_s = self._settings.stills_every_s
        if not every_s:
            return None
        from .camera import beside

        return beside(recording, self._board, self._clock, every_s, self._emit)

    @property
    def samples(self):
        """See Control."""
        return self._count or (self._recorder.samples if self._recorder else 0)

    def stop(self):
        """Make `record` or `take` end."""
        self._count = 0
        if self._recorder:
            self._recorder.stop()

    def close(self, recorded):
        """Close the microphone and, if something was `recorded`, its files; returns what its
        metadata are to say of gaps, or None. Raises StorageError."""
        stream, self._stream = self._stream, None
        if stream:  # the recorder never came to take it
            stream.deinit()
        recorder = self._recorder
        if not recorder:
            return None
        recorder.close()
        return recorder.gaps.metadata() if recorded and recorder.gaps else None

    def figures(self):
        """What there is to know of the last recording, as a dict that JSON can carry."""
        recorder = self._recorder
        if not recorder:
            return {}
        return {
            "gaps": recorder.gaps.count if recorder.gaps else 0,
            "lost_ms": recorder.gaps.lost_ms if recorder.gaps else 0,
            "level_dbfs": round(recorder.level.dbfs()),
            "microphone": recorder.trouble or "fine",
        }


def modules():
    """The full names of what is loaded for recording alone."""
    return ["recorders." + name for name in _PARTS.split()]
