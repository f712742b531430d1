"""What the test has the board do: loaded for each line of the console."""

import asyncio

import board
import network
import probe

import __main__


def do(words):
    """`record NUMBER BYTES`, `battery PERCENT`, `drop` (the WiFi), `rotate` (the token), `now`,
    `offer PIECE` and `offer` (a manifest), or anything else to see the heaps."""
    app = __main__.app
    if words[0] == "record":
        with open(board.WANTED, "w") as f:
            f.write(" ".join(words[1:]))
        app.start()
    elif words[0] == "battery":
        board.percent[0] = int(words[1])
    elif words[0] == "drop":
        network.WLAN(network.STA_IF).disconnect()
    elif words[0] == "rotate":
        asyncio.create_task(app.up.rotate_token())
    elif words[0] == "now":
        app.up.upload_now()
    elif words[0] == "offer":  # a piece of a manifest, or its end
        if len(words) > 1:
            board.manifest.append(words[1])
        else:
            import json

            from updates.offer import Kept, parse

            Kept(app.settings.state).take(parse(json.loads("".join(board.manifest))))
            board.manifest.clear()
            app.go_on = True
    else:
        probe.note("asked")
