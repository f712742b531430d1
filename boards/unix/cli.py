"""The desktop as a board: store, upload and look at recordings from the command line."""

import sys

sys.path.insert(0, __file__[: __file__.rfind("/") + 1] + "../../firmware")

from arguments import UsageError
from commands import COMMANDS

from uploader import load_config
from uploader.errors import ConfigError, MediaTypeError, StorageError

USAGE = """\
micropython cli.py CONFIG.json add [--name N] [--started-at T] [--ended-at T]
                               [--metadata JSON|@FILE] FILE[=CONTENT_TYPE[@CAPTURED_AT]] ...
micropython cli.py CONFIG.json drain [--timeout S] [--tries N]
micropython cli.py CONFIG.json status
micropython cli.py CONFIG.json quarantined
micropython cli.py CONFIG.json held
micropython cli.py CONFIG.json requeue|adopt|discard ID

Times are ISO 8601 with a zone, like 2026-01-31T23:59:59Z. MicroPython takes arguments of up to
255 bytes: longer metadata goes into a file. Exit status: 0 done; 1 something is
left pending or the storage failed; 2 bad usage or configuration (nothing was written)."""


def main(argv):
    """Run one command; returns the exit status."""
    try:
        if len(argv) == 1 or argv[1] in ("-h", "--help"):
            print(USAGE)
            return 2 if len(argv) == 1 else 0
        if len(argv) < 3 or argv[2] not in COMMANDS:
            raise UsageError("usage: cli.py CONFIG.json %s ..." % "|".join(sorted(COMMANDS)))
        parse, run = COMMANDS[argv[2]]
        options = parse(argv[3:])
        settings = load_config(argv[1])
        return run(settings, options)
    except (UsageError, ConfigError, MediaTypeError) as e:
        print("error: %s" % e, file=sys.stderr)
        return 2
    except StorageError as e:
        print("error: %s" % e, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
