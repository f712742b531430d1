"""What was cut while recording plays after recovery, by a real decoder (libsndfile)."""

import io
import struct

import numpy
import pytest
import soundfile
from conftest import ROOT
from test_codecs import Encoder, snr_db, speech, stream_info

from tools import micropython

SCRIPT = ROOT / "host_tests/scripts/interrupted.py"
SPEECH = ROOT / "tools/demo/media/speech.opus"


def upload_cut(cloud, board, content_type, data, n):
    """What arrives of a recording of `data` whose power fails after `n` bytes."""
    path = board.file("whole", data)
    micropython.run(SCRIPT, board.config, content_type, n, path, silent=True)
    drained = board.drain()
    assert drained.returncode == 0, drained.stdout
    recording = cloud.recordings()[-1]
    assert recording.status == "uploaded" and recording.metadata["interrupted"] is True
    return cloud.media_bytes(recording, recording.media[0])


def wav(samples, *, unfinished, extra=b""):
    """A WAV as a recorder writes it: sizes still zero while `unfinished`."""
    data = samples.tobytes()
    sizes = (0, 0) if unfinished else (36 + len(extra) + len(data), len(data))
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    head = b"RIFF" + struct.pack("<I", sizes[0]) + b"WAVE" + fmt + extra
    return head + b"data" + struct.pack("<I", sizes[1]) + data


TONE = (numpy.sin(numpy.arange(32000) * 0.1) * 9000).astype("<i2")


@pytest.mark.parametrize("cut", [44 + 2000, 44 + 2001, 44 + 64000])
@pytest.mark.parametrize("extra", [b"", b"LIST" + struct.pack("<I", 4) + b"INFO"])
def test_a_wav_whose_head_was_never_finished_plays(cloud, board, cut, extra):
    arrived = upload_cut(cloud, board, "audio/wav", wav(TONE, unfinished=True, extra=extra), cut)
    decoded, rate = soundfile.read(io.BytesIO(arrived), dtype="int16")
    want = TONE[: (cut - 44 - len(extra)) // 2]
    assert rate == 16000 and numpy.array_equal(decoded, want)
    size = struct.unpack_from("<I", arrived, 4)[0]
    assert len(arrived) - (size + 8) in (0, 1)


def test_a_wav_that_was_finished_is_left_as_it_is(cloud, board):
    whole = wav(TONE, unfinished=False)
    assert upload_cut(cloud, board, "audio/wav", whole, len(whole)) == whole


@pytest.mark.parametrize("cut", [9000, 60001, 200_000])
def test_an_ogg_that_was_cut_within_a_page_plays(cloud, board, cut):
    data = SPEECH.read_bytes()
    arrived = upload_cut(cloud, board, "audio/opus", data, cut)
    assert data.startswith(arrived) and cut - 65307 < len(arrived) <= cut
    assert data[len(arrived) :].startswith(b"OggS")
    decoded, rate = soundfile.read(io.BytesIO(arrived))
    whole, _ = soundfile.read(SPEECH)
    assert rate == 24000 and len(decoded) > rate // 2
    n = len(decoded) - 1000
    assert numpy.allclose(decoded[:n], whole[:n], atol=1e-3)


@pytest.fixture
def encode():
    encoder = Encoder(ROOT / "firmware")
    yield encoder
    encoder.close()


@pytest.mark.parametrize("cut", [60 + 512 * 20, 60 + 512 * 20 + 511])
def test_an_adpcm_that_was_cut_plays_to_its_last_whole_block(cloud, board, encode, cut):
    samples = speech(4)
    unfinished = encode("adpcm", samples, unfinished=True)
    arrived = upload_cut(cloud, board, "audio/wav", unfinished, cut)
    assert struct.unpack_from("<4sII4sI", arrived, 40) == (b"fact", 4, 20340, b"data", 512 * 20)
    decoded, rate = soundfile.read(io.BytesIO(arrived), dtype="int16")
    assert rate == 16000 and len(decoded) >= 20340
    assert snr_db(samples[:20340], decoded[:20340]) > 15


def test_an_adpcm_that_was_finished_is_left_as_it_is(cloud, board, encode):
    whole = encode("adpcm", speech(1))
    assert upload_cut(cloud, board, "audio/wav", whole, len(whole)) == whole


@pytest.mark.parametrize("cut", [30000, 30001, 31500])
def test_a_flac_that_was_cut_plays_to_its_last_whole_frame(cloud, board, encode, cut):
    samples = speech(4)
    unfinished = encode("flac", samples, unfinished=True)
    arrived = upload_cut(cloud, board, "audio/flac", unfinished, cut)
    total = stream_info(arrived)[-2]
    assert cut - 2100 < len(arrived) <= cut and unfinished[42:].startswith(arrived[42:])
    decoded, rate = soundfile.read(io.BytesIO(arrived), dtype="int16")
    assert rate == 16000 and len(decoded) == total
    assert numpy.array_equal(decoded, samples[:total])
