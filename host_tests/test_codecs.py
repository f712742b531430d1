"""The encoders against real decoders: libsndfile (libFLAC within) and ffmpeg.

MICROPYTHON= names another interpreter, a 32-bit one for instance.
"""

import functools
import hashlib
import io
import json
import shutil
import struct
import subprocess

import imageio_ffmpeg
import numpy
import pytest
import soundfile
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools import micropython
from tools.device import package

SCRIPT = ROOT / "host_tests/scripts/encode.py"
SPEECH = ROOT / "tools/demo/media/speech.opus"
CHECKS = [HealthCheck.too_slow]
BLOCK = 1024


class Encoder:
    """The firmware's encoders in a MicroPython of their own."""

    def __init__(self, folder):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = micropython.start(SCRIPT, folder, heap="16m", **pipes)

    def ask(self, **job):
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise micropython.ScriptError(answer["error"])
        answer["file"] = bytes.fromhex(answer["file"])
        return answer

    def __call__(self, codec, samples, kernel="viper", **more) -> bytes:
        pcm = numpy.asarray(samples, "<i2").tobytes()
        return self.ask(codec=codec, kernel=kernel, pcm=pcm.hex(), **more)["file"]

    def close(self):
        self._process.stdin.close()
        assert self._process.wait(60) == 0


@pytest.fixture(scope="module")
def encode():
    encoder = Encoder(ROOT / "firmware")
    yield encoder
    encoder.close()


@functools.cache
def speech(seconds, rate=16000):
    sound, their_rate = soundfile.read(SPEECH, dtype="float64")
    at = numpy.arange(int(seconds * rate)) * their_rate / rate
    return (numpy.interp(at, numpy.arange(len(sound)), sound) * 32767).astype("<i2")


def music(n):
    """Chords with overtones that fade, over a little noise."""
    t = numpy.arange(n) / 16000
    out = numpy.random.default_rng(5).normal(0, 20, n)
    for i, hz in enumerate((220, 277, 330, 440, 554, 659)):
        for harmonic in range(1, 6):
            fade = numpy.exp(-((t * 2 + i / 6) % 1) * 3)
            out += 1800 / harmonic * fade * numpy.sin(2 * numpy.pi * hz * harmonic * t)
    return out.clip(-32768, 32767).astype("<i2")


def noise(n):
    return numpy.random.default_rng(7).integers(-32768, 32768, n).astype("<i2")


def square(n):
    return numpy.where(numpy.arange(n) // 37 % 2, 32767, -32768).astype("<i2")


SOUNDS = {
    "speech": lambda: speech(6),
    "music": lambda: music(48000),
    "silence": lambda: numpy.zeros(16000, "<i2"),
    "constant": lambda: numpy.full(5000, -1234, "<i2"),
    "noise": lambda: noise(20000),
    "square": lambda: square(10000),
    "alternating": lambda: numpy.where(numpy.arange(9000) % 2, 32767, -32768).astype("<i2"),
    "spike": lambda: numpy.eye(1, 4000, 1500, dtype="<i2")[0] * -32768,
    "quiet": lambda: noise(9000) // 8192,
}
LENGTHS = (1, 2, 3, 4, 5, 6, 15, 16, 17, 500, 1016, 1017, 1018, 1023, 1024, 1025, 2033, 2034, 3072)


def decode(data):
    return soundfile.read(io.BytesIO(data), dtype="int16")


def by_ffmpeg(data):
    """Samples as ffmpeg reads them, every CRC checked."""
    options = ["-v", "error", "-err_detect", "crccheck+explode"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *options, "-i", "pipe:0", "-f", "s16le", "pipe:1"]
    result = subprocess.run(command, input=data, capture_output=True, timeout=300)
    assert result.returncode == 0 and not result.stderr, result.stderr
    return numpy.frombuffer(result.stdout, "<i2")


def stream_info(data):
    """(least block, greatest, least frame, greatest, rate, channels, bits, samples, MD5)."""
    assert data[:8] == b"fLaC\x80\0\0\x22"
    blocks = struct.unpack_from(">HH", data, 8)
    frames = [int.from_bytes(data[i : i + 3], "big") for i in (12, 15)]
    word = int.from_bytes(data[18:26], "big")
    fields = word >> 44, (word >> 41 & 7) + 1, (word >> 36 & 31) + 1, word & (1 << 36) - 1
    return *blocks, *frames, *fields, data[26:42]


def check_flac(data, samples):
    decoded, rate = decode(data)
    assert rate == 16000 and numpy.array_equal(decoded, samples)
    assert numpy.array_equal(by_ffmpeg(data), samples)


@pytest.mark.parametrize("name", SOUNDS)
def test_flac_decodes_to_the_identical_samples(encode, name):
    samples = SOUNDS[name]()
    data = encode("flac", samples)
    check_flac(data, samples)
    least, most, *frames, rate, channels, bits, total, md5 = stream_info(data)
    assert (least, most, rate, channels, bits) == (BLOCK, BLOCK, 16000, 1, 16)
    assert total == len(samples) and md5 == hashlib.md5(samples.tobytes()).digest()
    assert 0 < frames[0] <= len(data) - 42 and frames[1] * (total // BLOCK + 1) >= len(data) - 42


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("sound", [music, noise])
def test_flac_of_any_length_decodes_to_the_identical_samples(encode, sound, n):
    samples = sound(n)
    check_flac(encode("flac", samples), samples)


def test_an_empty_flac_is_a_head_that_says_so(encode):
    data = encode("flac", [])
    assert stream_info(data) == (BLOCK, BLOCK, 0, 0, 16000, 1, 16, 0, hashlib.md5().digest())
    assert len(data) == 42


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 65535])
def test_each_frame_says_its_rate_as_the_streamable_subset_wants(encode, rate):
    data = encode("flac", music(5000), rate=rate)
    assert decode(data)[1] == stream_info(data)[4] == rate
    # A rate code of 0 would refer to the head, which who tunes in later has not seen.
    assert data[42:44] == b"\xff\xf8" and data[44] & 15


def test_frame_numbers_of_every_length_are_read(encode, tmp_path):
    """The number takes a second byte from 128 on, and a third from 2048."""
    samples = numpy.zeros(2100 * BLOCK, "<i2")
    samples[::BLOCK] = numpy.arange(2100) % 3
    path = tmp_path / "long.pcm"
    samples.tofile(path)
    check_flac(encode.ask(codec="flac", kernel="viper", path=str(path))["file"], samples)


def test_flac_costs_no_more_than_the_reference_encoder_at_its_fast_levels(encode):
    samples = speech(20)
    reference = io.BytesIO()
    soundfile.write(reference, samples, 16000, format="FLAC", compression_level=0.25)
    ours = len(encode("flac", samples))
    assert ours < len(reference.getvalue()) and ours < 0.65 * 2 * len(samples)


def test_noise_that_no_code_can_shorten_is_kept_as_it_is(encode):
    samples = noise(20 * BLOCK)
    assert len(encode("flac", samples)) - 2 * len(samples) <= 42 + 20 * 10


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("codec", ["flac", "adpcm"])
def test_native_and_plain_code_agree_bit_for_bit(encode, codec, name):
    samples = SOUNDS[name]()[:9500]
    assert encode(codec, samples) == encode(codec, samples, "plain")


SAMPLE = st.integers(-32768, 32767)
RUN = st.tuples(SAMPLE, st.integers(0, 15), st.integers(1, 900), st.integers(0, 2**32 - 1))


def drawn(runs):
    """Stretches of noise of any power of two around any level: what changes codes."""
    parts = []
    for level, power, n, seed in runs:
        some = numpy.random.default_rng(seed).integers(-(1 << power), (1 << power) + 1, n)
        parts.append((some + level).clip(-32768, 32767))
    return numpy.concatenate(parts).astype("<i2")


@settings(max_examples=30, deadline=None, suppress_health_check=CHECKS)
@given(st.lists(RUN, min_size=1, max_size=6), st.lists(st.integers(0, 900), max_size=5))
def test_any_sound_in_any_pieces_comes_back_as_it_was(encode, runs, pieces):
    samples = drawn(runs)
    pieces = [2 * n for n in pieces]
    data = encode("flac", samples, pieces=pieces)
    assert numpy.array_equal(decode(data)[0], samples)
    assert data == encode("flac", samples, "plain")
    small = encode("adpcm", samples, pieces=pieces)
    assert small == encode("adpcm", samples, "plain")
    assert len(small) == 60 + 512 * -(-len(samples) // 1017)


def test_an_error_is_of_its_own_job_alone(encode):
    before = encode("flac", noise(3000))
    for wrong in ({"codec": "flac", "kernel": "viper", "pcm": "0"}, {"cut": "0"}):
        with pytest.raises(micropython.ScriptError, match="Traceback"):
            encode.ask(**wrong)
    assert encode("flac", noise(3000)) == before


def snr_db(samples, decoded):
    signal = samples.astype(float)
    error = decoded[: len(samples)] - signal
    return 10 * numpy.log10((signal**2).sum() / max((error**2).sum(), 1e-9))


@pytest.mark.parametrize(
    "name, least_db", [("speech", 20), ("music", 20), ("square", 5), ("noise", 3)]
)
def test_adpcm_sounds_like_what_was_said(encode, name, least_db):
    samples = SOUNDS[name]()
    data = encode("adpcm", samples)
    decoded, rate = decode(data)
    assert rate == 16000 and snr_db(samples, decoded) > least_db
    # The reference encoder does no better.
    reference = io.BytesIO()
    soundfile.write(reference, samples, 16000, format="WAV", subtype="IMA_ADPCM")
    theirs, _ = soundfile.read(io.BytesIO(reference.getvalue()), dtype="int16")
    assert snr_db(samples, decoded) > snr_db(samples, theirs) - 1
    # ffmpeg multiplies where the recommendation adds, and rounds otherwise.
    assert snr_db(samples, by_ffmpeg(data)) > least_db - 1


def test_adpcm_of_silence_is_silence_and_a_quarter_of_the_bytes(encode):
    samples = numpy.zeros(160_000, "<i2")
    data = encode("adpcm", samples)
    assert numpy.abs(decode(data)[0]).max() == 0
    assert 3.9 < 2 * len(samples) / len(data) < 4


@pytest.mark.parametrize("n", LENGTHS)
def test_an_adpcm_head_has_the_true_length(encode, n):
    data = encode("adpcm", music(n))
    riff, size, wave, fmt, length, tag, channels, rate, _, align, bits, extra, per_block = (
        struct.unpack_from("<4sI4s4sIHHIIHHHH", data)
    )
    assert (riff, wave, fmt, length, extra) == (b"RIFF", b"WAVE", b"fmt ", 20, 2)
    assert (tag, channels, rate, align, bits, per_block) == (0x11, 1, 16000, 512, 4, 1017)
    assert size == len(data) - 8
    assert struct.unpack_from("<4sII4sI", data, 40) == (b"fact", 4, n, b"data", len(data) - 60)
    # What fills the last block is no click.
    decoded, _ = decode(data)
    assert n <= len(decoded) < n + 1017


def test_one_encoder_makes_one_file_after_another(encode):
    for codec in ("flac", "adpcm"):
        first = encode(codec, noise(3000))
        encode(codec, speech(0.3))
        assert encode(codec, noise(3000)) == first


@settings(max_examples=25, deadline=None, suppress_health_check=CHECKS)
@given(st.integers(60, 5000))
def test_what_a_full_flash_took_plays(encode, room):
    samples = SOUNDS["speech"]()[:20000]
    pcm = samples.tobytes().hex()
    flac = encode.ask(codec="flac", kernel="viper", pcm=pcm, room=room)
    assert flac["full"]
    total, md5 = stream_info(flac["file"])[-2:]
    assert md5 == hashlib.md5(samples[:total].tobytes()).digest()
    decoded, _ = decode(flac["file"]) if total else (samples[:0], 0)
    assert numpy.array_equal(decoded[:total], samples[:total])
    adpcm = encode.ask(codec="adpcm", kernel="viper", pcm=pcm, room=room)
    n = struct.unpack_from("<I", adpcm["file"], 48)[0]
    assert n == (room - 60) // 512 * 1017
    assert not n or snr_db(samples[:n], decode(adpcm["file"])[0][:n]) > 10


@settings(max_examples=40, deadline=None, suppress_health_check=CHECKS)
@given(st.integers(42, 9000), st.binary(max_size=3), st.sampled_from(["speech", "noise"]))
def test_a_flac_that_was_cut_anywhere_plays_to_its_last_whole_frame(encode, cut, junk, name):
    samples = SOUNDS[name]()[:8000]
    whole = encode("flac", samples)
    unfinished = encode("flac", samples, unfinished=True)
    got = encode.ask(cut=(unfinished[:cut] + junk).hex())["file"]
    total = stream_info(got)[-2]
    # Where an end that is no sound follows a frame, that frame can't be told to be whole.
    lost = 2 if junk else 1
    assert whole[42:].startswith(got[42:]) and cut - 2100 * lost < len(got) <= max(cut, 42)
    assert total % BLOCK == 0 or total == len(samples)
    if total:
        check_flac(got, samples[:total])
    # So many frames more would have been longer than what there was.
    more = encode("flac", samples[: total + lost * BLOCK])
    assert len(more) > cut


@pytest.mark.parametrize("name", ["speech", "noise"])
def test_a_cut_in_the_next_frames_header_loses_nothing(encode, name):
    samples = SOUNDS[name]()[:8000]
    unfinished = encode("flac", samples, unfinished=True)
    end = len(encode("flac", samples[: 2 * BLOCK]))
    for n in range(20):
        for rest in (unfinished[end : end + n], bytes(n)):
            got = encode.ask(cut=(unfinished[:end] + rest).hex())["file"]
            assert stream_info(got)[-2] == 2 * BLOCK, (n, rest)
            assert got[42:] == unfinished[42:end], (n, rest)


@pytest.mark.parametrize("first", [0xFF, 0xFE, 0xFC, 0xF8])
@pytest.mark.parametrize("more", range(12))
def test_an_end_that_looks_like_a_frame_header_is_none(encode, first, more):
    samples = speech(1)
    unfinished = encode("flac", samples, unfinished=True)
    end = b"\xff\xf8\x69\x08" + bytes([first]) + bytes(more)
    got = encode.ask(cut=(unfinished + end).hex())["file"]
    assert unfinished[42:].startswith(got[42:])
    assert stream_info(got)[-2] >= len(samples) - BLOCK


def test_a_flac_that_was_finished_is_left_as_it_is(encode):
    whole = encode("flac", speech(1))
    assert encode.ask(cut=whole.hex())["file"] == whole


def test_a_flac_with_an_end_of_zeros_as_fat_leaves_it_plays(encode):
    samples = speech(2)
    unfinished = encode("flac", samples, unfinished=True)
    got = encode.ask(cut=(unfinished[:20000] + bytes(20000)).hex())["file"]
    total = stream_info(got)[-2]
    assert total > 20000 * len(samples) / len(unfinished) - 2 * BLOCK
    check_flac(got, samples[:total])


def test_code_for_another_chip_gives_way_to_plain_code_and_that_is_said(tmp_path):
    folder = tmp_path / "recorders"
    shutil.copytree(ROOT / "firmware/recorders", folder)
    for codec in ("flac", "adpcm"):
        source = folder / f"{codec}_viper.py"
        micropython.compile(source, source.with_suffix(".mpy"), "-march=armv7m")
        source.unlink()
    encoder = Encoder(tmp_path)
    for codec in ("flac", "adpcm"):
        answer = encoder.ask(codec=codec, kernel=None, pcm=speech(0.2).tobytes().hex())
        ((event, info),) = answer["said"]
        assert event == "plain_code" and info["module"] == codec
        assert "incompatible" in info["reason"]
        assert len(answer["file"]) > 1000
    encoder.close()


def test_native_code_as_it_is_deployed_makes_the_same_file(encode, tmp_path):
    folder = tmp_path / "recorders"
    shutil.copytree(ROOT / "firmware/recorders", folder)
    if micropython.architecture(micropython.interpreter()) is None:
        pytest.skip("this MicroPython takes no native code")
    for codec in ("flac", "adpcm"):
        source = folder / f"{codec}_viper.py"
        micropython.compile(source, source.with_suffix(".mpy"))
        source.unlink()
    encoder = Encoder(tmp_path)
    for codec in ("flac", "adpcm"):
        answer = encoder.ask(codec=codec, kernel=None, pcm=speech(1).tobytes().hex())
        assert answer["said"] == []
        assert answer["file"] == encode(codec, speech(1))
    encoder.close()


@pytest.mark.long
def test_boards_get_the_machine_code_that_their_chip_takes():
    one_of_each = {board["arch"]: (name, board) for name, board in package.boards().items()}
    for name, board in one_of_each.values():
        files = {f.path: f.data for f in package.build(name)}
        for codec in ("flac", "adpcm", "level"):
            # The header's third byte: architecture and sub-version (py/persistentcode.h).
            arch = files[f"/lib/recorders/{codec}_viper.mpy"][2] >> 2
            wanted = board["arch"] or micropython.architecture(micropython.interpreter())
            assert arch == {"xtensawin": 10, "x64": 2, "x86": 1}.get(wanted, arch), name
            assert files[f"/lib/recorders/{codec}.mpy"][2] >> 2 == 0
