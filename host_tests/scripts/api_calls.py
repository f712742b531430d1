"""Every call of the API client over one transport: api_calls.py native|requests URL TOKEN."""

import asyncio
import json
import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path.insert(0, HERE + "/../../tools/faults/mpy")
sys.path.insert(1, HERE + "/../../firmware")

from wire import settings

from uploader import Clock
from uploader.api import DeviceApi
from uploader.errors import ApiError
from uploader.http import Http
from uploader.requests_transport import RequestsTransport


async def attempt(call):
    try:
        return await call
    except ApiError as e:
        return [e.status, e.code, e.reset_at is not None]


async def main(transport, url, token):
    made = settings(api_url=url)
    http = Http(made) if transport == "native" else RequestsTransport()
    clock = Clock(lambda: 0)
    api = DeviceApi(http, made, clock, token)
    out = {}
    rec = await api.create_recording({"name": "über", "metadata": {"capture_id": "c-1"}})
    file = {"type": "audio", "content_type": "audio/wav", "file_size_bytes": 3}
    grant = await api.upload_url(rec, file)
    out["rec"] = rec
    out["grant"] = [grant.headers, grant.url.startswith("https://"), 3000 < grant.life_s <= 3602]
    out["invalid"] = await attempt(api.upload_url(rec, {"type": "text"}))
    out["missing"] = await attempt(api.complete("rec_none"))
    out["incomplete"] = await attempt(api.complete(rec))
    out["heartbeat"] = await api.heartbeat({"battery_percent": 50})
    api.token = fresh = await api.refresh_token("dev_1")
    out["fresh"] = fresh != token
    out["after"] = await api.heartbeat({})
    api.token = token
    out["old"] = await attempt(api.heartbeat({}))
    api.token = "dtok_nobody"
    out["unknown"] = await attempt(api.heartbeat({}))
    api.token = fresh
    for _ in range(1000):
        out["limited"] = await attempt(api.upload_url(rec, file))
        if isinstance(out["limited"], list):
            break
    out["dates"] = clock.source == "server"
    print(json.dumps(out))


asyncio.run(main(*sys.argv[1:4]))
