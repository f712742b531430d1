"""What the recorder takes and gives: `python -m tools.bench.codec`.

Each of the interpreters encodes the same speech, with native and with plain code; libsndfile
decodes. Figures go to `build/recorder.json`, beside what is there, and a picture of the sound
before and after to `build/codecs.png`.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy
import soundfile
import typer
from rich.console import Console
from rich.table import Table

from tools import micropython

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "mpy/codec.py"
SPEECH = ROOT / "tools/demo/media/speech.opus"
RATE = 16000
CODECS = ("flac", "adpcm")
KERNELS = {"native": "viper", "plain": "plain"}
_RUNS = 5
_PLAIN_SECONDS = 2  # of sound: it takes its time


def speech(seconds: float) -> numpy.ndarray:
    """The demo's speech as 16-bit samples at 16 kHz."""
    sound, rate = soundfile.read(SPEECH, dtype="float64")
    at = numpy.arange(int(seconds * RATE)) * rate / RATE
    return (numpy.interp(at, numpy.arange(len(sound)), sound) * 32767).astype("<i2")


def encode(interpreter: str, codec: str, kernel: str, samples, out: Path) -> dict:
    """The script's figures for these samples; the file is at `out`."""
    pcm = out.with_suffix(".pcm")
    samples.tofile(pcm)
    command = [interpreter, "-X", "heapsize=8m", SCRIPT, ROOT / "firmware", codec, kernel, pcm, out]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if result.returncode:
        raise micropython.ScriptError(result.stdout + result.stderr)
    return json.loads(result.stdout.splitlines()[-1])


def snr_db(samples, decoded) -> float:
    """Of what was decoded, against what was recorded."""
    error = decoded[: len(samples)].astype(float) - samples
    return float(10 * numpy.log10((samples.astype(float) ** 2).sum() / (error**2).sum()))


def measure(interpreters: dict[str, str], seconds: float, folder: Path) -> tuple[dict, dict]:
    """Figures, and the sounds before and after by name."""
    samples = speech(seconds)
    sounds = {"as recorded": samples}
    speed: dict = {}
    heap: dict = {}
    figures: dict = {"realtime_factor": speed, "heap_bytes": heap}
    for machine, interpreter in interpreters.items():
        for codec in CODECS:
            files = []
            for word, kernel in KERNELS.items():
                part = samples if word == "native" else samples[: _PLAIN_SECONDS * RATE]
                out = folder / f"{codec}-{word}.{'flac' if codec == 'flac' else 'wav'}"
                runs = [encode(interpreter, codec, kernel, part, out) for _ in range(_RUNS)]
                # What else runs on this machine only slows it.
                result = max(runs, key=lambda run: run["realtime_factor"])
                speed.setdefault(machine, {})[f"{codec}, {word}"] = result["realtime_factor"]
                taken = {k: v for k, v in result.items() if k.startswith("heap")}
                heap.setdefault(machine, {})[f"{codec}, {word}"] = taken
                files.append((out, result, part))
            out, result, part = files[0]
            decoded, _ = soundfile.read(out, dtype="int16")
            ratio = round(result["bytes"] / (2 * len(samples)), 4)
            figures[f"{codec}_flash_bytes_per_s"] = round(result["bytes"] / seconds)
            if codec == "flac":
                same = numpy.array_equal(decoded, samples)
                figures["flac_identical"] = figures.get("flac_identical", True) and same
                figures["flac_ratio_speech"] = ratio
            else:
                figures["adpcm_ratio"] = ratio
                figures["adpcm_snr_db_speech"] = round(snr_db(samples, decoded), 1)
            sounds[f"{codec.upper()}, {ratio:.2f} of the bytes"] = decoded[: len(samples)]
    figures["wav_flash_bytes_per_s"] = 2 * RATE
    return figures, sounds


def blocks(buffer_ms: int) -> dict:
    """What holds the recorder up and what is lost, on the stand-in for the chip's driver."""
    return micropython.report(SCRIPT.with_name("blocks.py"), ROOT, buffer_ms, timeout=300)


def picture(sounds: dict, path: Path):
    """Spectrograms, one below the other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(sounds), 1, figsize=(10, 2.6 * len(sounds)), sharex=True)
    for axis, (name, sound) in zip(axes, sounds.items(), strict=True):
        # Digital silence has no logarithm.
        part = sound[: 8 * RATE] / 32768 + numpy.resize([1e-7, -1e-7], 8 * RATE)[: len(sound)]
        axis.specgram(part, NFFT=512, Fs=RATE, noverlap=384, vmin=-140, vmax=-30)
        axis.set_title(name, loc="left", fontsize=10)
        axis.set_ylabel("Hz")
    axes[-1].set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main(
    out: Annotated[Path, typer.Option(help="Where to write.")] = Path("build/recorder.json"),
    seconds: Annotated[float, typer.Option(help="Of speech.")] = 30,
    interpreters: Annotated[
        str, typer.Option(help="Comma-separated; else $MICROPYTHON and `micropython`.")
    ] = "",
):
    """Measure the encoders."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="codec-") as folder:
        figures, sounds = measure(micropython.named(interpreters), seconds, Path(folder))
    figures["blocks"] = {f"{ms} ms buffers": blocks(ms) for ms in (128, 256)}
    figures.update(figures["blocks"]["128 ms buffers"])
    figures["not_measured"] = "on a chip: a factor here says nothing of a chip's"
    out.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(out.read_text()) if out.exists() else {}
    out.write_text(json.dumps({**known, **figures}, indent=1) + "\n")
    picture(sounds, out.with_name("codecs.png"))
    table = Table(show_header=False)
    for key, value in figures.items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for name, item in rows:
            table.add_row(key, name, str(item))
    Console(highlight=False).print(table)
    print(f"{time.monotonic() - start:.0f} s; written to {out} and {out.with_name('codecs.png')}")


if __name__ == "__main__":
    typer.run(main)
