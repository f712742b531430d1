"""Recording beside a full-speed upload, to the last sample."""

import io
import os

import numpy
import pytest
import soundfile
from conftest import ROOT

from tools import micropython

SCRIPT = ROOT / "host_tests/scripts/record_upload.py"


@pytest.mark.long
@pytest.mark.parametrize("segment", [0, 2])
def test_no_sample_is_lost_while_uploading(cloud, board, segment):
    board.save(segment_seconds=segment)
    ballast = board.file("ballast", os.urandom(12 << 20))
    figures = micropython.report(SCRIPT, board.config, 4, ballast, heap="8m", timeout=900)
    print(figures)
    assert figures["lost"] == 0 and figures["told"] == [] and figures["samples"] > 16000
    # The upload was no trickle beside it.
    assert figures["sent"] >= 10 << 20
    (recording,) = [r for r in cloud.recordings() if r.name == "microphone"]
    assert recording.status == "uploaded"
    parts = []
    for media in sorted(recording.media, key=lambda m: str(m.captured_at)):
        wav = io.BytesIO(cloud.media_bytes(recording, media))
        samples, rate = soundfile.read(wav, dtype="int16")
        assert rate == 16000
        parts.append(samples.view(numpy.uint16))
    assert len(parts) >= 2 if segment else len(parts) == 1
    samples = numpy.concatenate(parts)
    assert len(samples) == figures["samples"]
    assert numpy.array_equal(samples, numpy.arange(len(samples)).astype(numpy.uint16))
