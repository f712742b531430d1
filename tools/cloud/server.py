"""An application served on loopback, beside others on one event loop."""

import asyncio
import socket
import ssl

import uvicorn


class Server:
    """`app` on `port` of loopback (0: a free one), with TLS if given a context."""

    def __init__(self, app, port: int = 0, tls: ssl.SSLContext | None = None):
        # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it each
        # answer waits for the client's delayed ACK.
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind(("127.0.0.1", port))
        except OSError as e:
            self._listener.close()
            raise RuntimeError(f"port {port} can't be had: {e.strerror}") from e
        self.port = self._listener.getsockname()[1]
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_keep_alive=75)
        config.load()
        config.ssl = tls
        self._server = uvicorn.Server(config)
        self._task = None

    async def start(self):
        """Serve; returns when it answers."""
        self._listener.listen(100)
        self._task = asyncio.create_task(self._server.serve([self._listener]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.01)

    async def wait(self):
        """Until it was stopped."""
        await self._task

    def stop(self):
        """Have it end, from any thread."""
        self._server.should_exit = True
        self._server.force_exit = True
