"""The media types that the service takes (device API, upload-url: `type` and `content_type`)."""

from .errors import MediaTypeError

# content type -> extension on flash. The extension alone must lead back to the content type:
# recovery after a power cut has little else to go by. Three letters, because on FAT a long
# name has several directory entries, which a power cut can tear apart.
_TYPES = {
    "audio/opus": "opu",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/webm": "wbm",
    "audio/ogg": "ogg",
    "audio/flac": "fla",
    "image/jpeg": "jpg",
    "image/png": "png",
    "video/mp4": "mp4",
}
_KINDS = ("audio", "image", "video")
_DEFAULT = {"audio": "audio/opus"}


def check(kind, content_type=None):
    """Return the content type to use for a file of `kind` (`audio`, `image` or `video`).

    `content_type` None takes the service's default, which only audio has (`audio/opus`).
    Raises MediaTypeError, listing what is allowed, for anything the service refuses.
    """
    if kind not in _KINDS:
        raise MediaTypeError("media type %r is not one of: %s" % (kind, ", ".join(_KINDS)))
    if content_type is None:
        content_type = _DEFAULT.get(kind)
    if content_type not in _TYPES or kind_of(content_type) != kind:
        allowed = ", ".join(sorted(t for t in _TYPES if kind_of(t) == kind))
        if content_type is None:
            raise MediaTypeError("%s needs a content type, one of: %s" % (kind, allowed))
        raise MediaTypeError(
            "content type %r is not allowed for %s; allowed: %s" % (content_type, kind, allowed)
        )
    return content_type


def kind_of(content_type):
    """`audio`, `image` or `video`: the service's `type` of a content type."""
    return content_type.split("/")[0]


def extension(content_type):
    """The file name extension that stands for a content type, without the dot."""
    return _TYPES[content_type]


def file_name(index, content_type):
    """The part of a media file's name after the number: the file's index within its
    recording (0 to 1295) as two digits in base 36, a dot, the extension."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "%s%s.%s" % (digits[index // 36], digits[index % 36], extension(content_type))


def from_extension(name):
    """The content type that the extension of a file on flash stands for, or None."""
    ext = name[name.rfind(".") + 1 :]
    for content_type in _TYPES:
        if _TYPES[content_type] == ext:
            return content_type
    return None


def allowed():
    """Every content type that the service takes, sorted."""
    return sorted(_TYPES)
