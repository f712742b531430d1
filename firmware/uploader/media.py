"""The media types that the service takes: for what is to be recorded."""

from .errors import MediaTypeError
from .layout import TYPES, kind_of


def check_type(kind, content_type=None):
    """The content type to use for a file of `kind` (`audio`, `image` or `video`).

    `content_type` None takes the service's default, which only audio has (`audio/opus`).
    Raises MediaTypeError, listing what is allowed, for anything the service refuses.
    """
    if content_type is None and kind == "audio":
        return "audio/opus"
    if content_type not in content_types() or kind_of(content_type) != kind:
        if kind not in ("audio", "image", "video"):
            raise MediaTypeError("media type %r is not one of: audio, image, video" % kind)
        allowed = ", ".join(t for t in content_types() if kind_of(t) == kind)
        raise MediaTypeError("%r is no content type of %s: %s" % (content_type, kind, allowed))
    return content_type


def content_types():
    """Every content type that the service takes, sorted."""
    return sorted(TYPES.split()[::2])
