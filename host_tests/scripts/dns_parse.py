"""Parse name servers' answers with the real resolver: `answer query` in hex lines in, JSON out."""

import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path.insert(0, HERE + "/../../firmware")

import json
from binascii import unhexlify

from uploader.links.resolver import parse, question

while True:
    line = sys.stdin.readline().strip()
    if not line:
        break
    answer, _, query = line.partition(" ")
    if not query:  # a name and an id: what would be asked
        name, _, ident = answer.partition("/")
        print(json.dumps(question(unhexlify(name), int(ident)).hex()))
        continue
    try:
        result = parse(unhexlify(answer), unhexlify(query))
        if result and result[3]:
            result = result[:3] + (result[3].decode(),)
        print(json.dumps({"result": result}))
    except ValueError as e:
        print(json.dumps({"error": str(e)}))
