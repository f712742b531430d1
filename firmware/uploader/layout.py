"""Which file on flash is what: the names in the store's directory, and the media types.

`000042.rec` is a recording's manifest, `00004200.opu` its first media file, `000042.sta` how
far its upload got; `store.0` and `store.1` hold the store's own id and next number, `store.spr`
is room kept. Flat in one directory (a littlefs directory costs 8 KiB), names that fit FAT's
8.3: a longer one has several directory entries there, which a power cut can tear apart.
"""

import os

from micropython import const

from .errors import StorageError

VERSION = const(1)  # of the manifest's and the state's lines
MOST_FILES = const(1296)  # of a recording: two digits in base 36
_DIR = const(0x4000)
_ENOENT = const(2)

# The service's content types (device API, upload-url: `type` and `content_type`) and the
# extension, of three letters, that stands for each on flash. The extension alone must lead back to
# the content type: recovery after a power cut has little else to go by. One text: a dict of them
# would be 24 names and a table.
TYPES = (
    " audio/opus opu audio/wav wav audio/mpeg mp3 audio/mp4 m4a audio/webm wbm audio/ogg ogg"
    " audio/flac fla image/jpeg jpg image/png png video/mp4 mp4 "
)


def kind_of(content_type):
    """`audio`, `image` or `video`: the service's `type` of a content type."""
    return content_type.split("/")[0]


def media_name(index, content_type):
    """What follows the number in a media file's name: the file's index within its recording
    (below MOST_FILES) as two digits in base 36, a dot, the content type's extension."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    at = TYPES.index(" %s " % content_type) + len(content_type) + 2
    return digits[index // 36] + digits[index % 36] + "." + TYPES[at : at + 3]


def content_type_of(name):
    """The content type that the extension of a file's name stands for, or None."""
    at = TYPES.find(" %s " % name[name.rfind(".") + 1 :])
    return None if at < 0 else TYPES[TYPES.rfind(" ", 0, at) + 1 : at]


def names(directory):
    """Generate (number, rest of the name) of each recording's files, in the directory's order;
    alien files are none of our business. Raises StorageError."""
    try:
        for found in os.ilistdir(directory or "/"):
            name = found[0]
            number, rest = name[:6], name[6:]
            if found[1] != _DIR and len(number) == 6 and number.isdigit() and _is_ours(rest):
                yield int(number), rest
    except OSError as e:
        raise StorageError("storage %s can't be listed: %s" % (directory or "/", e))


def _is_ours(rest):
    if rest in (".rec", ".sta"):
        return True
    if len(rest) != 6 or rest[2] != "." or content_type_of(rest) is None:
        return False
    for c in rest[:2]:
        if not (c.isdigit() or c.islower()):
            return False
    return True


def make_directory(path):
    """Make a directory unless it is there. Raises OSError, StorageError if a file is there."""
    try:
        mode = os.stat(path or "/")[0]
    except OSError as e:
        if e.errno != _ENOENT:
            raise
        os.mkdir(path)
        return
    if mode & _DIR == 0:
        raise StorageError("%s is not a directory" % path)
