"""The four calls for one file, by another client: peer.py requests|aiohttp CONFIG FILE [FOLDER].

What a program around that client would do at the least: no store, no retry, no hash, no check.
"""

import json
import os
import sys

which, config, file = sys.argv[1:4]
if len(sys.argv) > 4:
    sys.path.append(sys.argv[4])
with open(config) as f:
    settings = json.load(f)
base = settings["api_url"]
headers = {
    "Authorization": "Bearer " + settings["device_token"],
    "Content-Type": "application/json",
}
size = os.stat(file)[6]
wanted = {"type": "audio", "content_type": "audio/opus", "file_size_bytes": size}


def host_of(url):
    # Both leave the port out of Host, which the URL's signature covers.
    return url.split("/")[2]


def chunks():
    buf = bytearray(4096)
    mv = memoryview(buf)
    with open(file, "rb") as f:
        while True:
            n = f.readinto(buf)
            if not n:
                return
            yield mv[:n]


def by_requests():
    import requests

    def call(path, body):
        answer = requests.post(base + path, headers=headers, data=json.dumps(body))
        result = answer.json()
        answer.close()
        return result

    rec = call("/recordings", {})["id"]
    grant = call("/recordings/%s/upload-url" % rec, wanted)
    fields = dict(grant["headers"])
    fields["Host"] = host_of(grant["upload_url"])
    fields["Content-Length"] = str(size)
    answer = requests.put(grant["upload_url"], headers=fields, data=chunks())
    put = answer.status_code
    answer.close()
    assert call("/recordings/%s/upload-complete" % rec, {})["status"] == "uploaded"
    print(json.dumps({"put": put}))


async def by_aiohttp():
    import aiohttp
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_NONE
    async with aiohttp.ClientSession() as session:

        async def call(path, body):
            data = json.dumps(body)
            async with session.post(base + path, headers=headers, data=data, ssl=context) as a:
                return await a.json()

        rec = (await call("/recordings", {}))["id"]
        grant = await call("/recordings/%s/upload-url" % rec, wanted)
        with open(file, "rb") as f:
            data = f.read()  # it takes bytes only
        fields = dict(grant["headers"])
        fields["Host"] = host_of(grant["upload_url"])
        url = grant["upload_url"]
        async with session.put(url, headers=fields, data=data, ssl=context) as a:
            put = a.status
        # 403: it sends bytes as application/octet-stream, whatever the headers say, and the
        # URL is signed for another type. What it costs is measured all the same.
        await call("/recordings/%s/upload-complete" % rec, {})
        print(json.dumps({"put": put}))


if which == "requests":
    by_requests()
else:
    import asyncio

    asyncio.run(by_aiohttp())
