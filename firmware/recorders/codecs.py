"""Which encoder a recording gets: the setting `audio_codec`."""

from micropython import const

from .wav import Wav

NAMES = ("wav", "adpcm", "flac")
# An encoder has to leave time for everything else.
_LEAST_SPEED = const(3)
_TRIAL = const(2032)  # bytes


class _Nowhere:
    size = 0

    def write(self, buf):
        self.size += len(buf)

    def set_head(self, head):
        pass

    close = sync = lambda self: None


def make(name, rate, clock, emit):
    """The encoder `name`, one of NAMES, for mono 16-bit PCM at `rate` Hz.

    It has `content_type`, `open(writer)` and `bytes_per_second()`. Where its inner loops are
    not native code and are slower than three times the sound itself (on any chip: 0.07 times
    for FLAC on an emulated ESP32), WAV takes its place, and `emit("codec", wanted=, used=,
    speed=)` says so.
    """
    if name == "wav":
        return Wav(rate)
    module = __import__("recorders." + name, None, None, (name,))
    codec = (module.Flac if name == "flac" else module.Adpcm)(rate, None, emit)
    if not codec.native:
        speed = _speed(codec, rate, clock)
        if speed < _LEAST_SPEED:
            emit("codec", wanted=name, used="wav", speed=speed)
            return Wav(rate)
    return codec


def _speed(codec, rate, clock):
    """How many times faster than sound it is, on sound that is none of the simple cases."""
    began = clock.uptime_ms()
    stream = codec.open(_Nowhere())
    stream.write(bytes(range(1, 255)) * (_TRIAL // 254))
    stream.close()
    took_ms = max(1, clock.uptime_ms() - began)
    return round(_TRIAL * 500 / rate / took_ms, 2)
