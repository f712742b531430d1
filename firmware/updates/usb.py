"""An update by somebody with a cable, of a bundle that lies on flash: see `make update`."""

import asyncio
import os

from uploader import __version__
from uploader.errors import UploaderError

from .install import Bundle, install
from .offer import provisioned
from .slots import Slots
from .source import FileSource

_LIST = "/update.lst"


async def _between():
    print(end=".")  # the host gives up on a device that says nothing for long
    await asyncio.sleep_ms(0)


async def _take(path):
    import board

    bundle = Bundle(FileSource(path), _LIST, _between)
    # With a cable anybody could copy anything: without a key there is nothing to prove.
    await bundle.open(provisioned().get("keys") or None)
    await bundle.fetch_list()
    await install(bundle, Slots(), board.NAME, __version__)


def take(path):
    """Fill the free slot from the bundle at `path`, to be tried at the next boot. Returns None, or
    why that can't be."""
    try:
        asyncio.run(_take(path))
    except (UploaderError, OSError) as e:
        return str(e)
    finally:
        try:
            os.remove(_LIST)
        except OSError:
            pass
