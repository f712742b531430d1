"""The outline of a recording's audio, to draw."""

import io

import numpy
import soundfile

_BLOCK = 65536


def peaks(data: bytes, bins: int) -> tuple[float, list[float]] | None:
    """Seconds, and the greatest amplitude (0 to 1) in each of up to `bins` equal parts; None if
    it is nothing that libsndfile decodes. Memory does not grow with the length."""
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as audio:
            if audio.frames <= 0:
                return None
            bins = min(bins, audio.frames)
            highest = numpy.zeros(bins)
            at = 0
            for block in audio.blocks(_BLOCK, dtype="float32", always_2d=True):
                level = numpy.abs(block).max(axis=1)
                index = (at + numpy.arange(len(level))) * bins // audio.frames
                numpy.maximum.at(highest, index.clip(0, bins - 1), level)
                at += len(level)
            seconds = audio.frames / audio.samplerate
    except soundfile.LibsndfileError:
        return None
    return round(seconds, 3), [round(float(v), 3) for v in highest.clip(0, 1)]
