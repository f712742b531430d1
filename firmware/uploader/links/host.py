"""The network that is simply there: a desktop's, or one that a board brought up by itself."""


class HostLink:
    """Always up."""

    name = "host"
    metered = False
    connection = None

    async def up(self, may=None, quiet=False):
        """Nothing to do."""

    async def down(self):
        """Nothing to do."""

    def is_up(self):
        """True."""
        return True

    def signal_dbm(self):
        """None: not known."""
        return None
