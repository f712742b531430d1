"""Going on with an update after a while: of its own, for a waiting task keeps its whole module."""


async def later(app, seconds):
    """Have what is kept of an update be gone on with in so many seconds."""
    await app.clock.sleep(seconds)
    app.go_on = True
