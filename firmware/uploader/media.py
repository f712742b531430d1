"""The media types that the service takes (device API, upload-url: `type` and `content_type`)."""

from .errors import MediaTypeError

# content_type -> (type, extension on flash). The extension alone must lead back to the
# content type: recovery after a power cut has little else to go by.
_TYPES = {
    "audio/opus": "opus",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/webm": "webm",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
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


def from_extension(name):
    """The content type that a file name's extension stands for, or None."""
    ext = name[name.rfind(".") + 1 :].lower()
    if ext == "jpeg":
        ext = "jpg"
    for content_type in _TYPES:
        if _TYPES[content_type] == ext:
            return content_type
    return None


def allowed():
    """Every content type that the service takes, sorted."""
    return sorted(_TYPES)
