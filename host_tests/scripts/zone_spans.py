"""zone_spans.py UNIX_SECOND: for each name on a line of stdin the spans of ten years from then,
as JSON: [[since, until, seconds], ...] or null."""

import json
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/../../firmware")

from uploader.zones import span

start = int(sys.argv[1])
for line in sys.stdin:
    now, spans = start, []
    while now < start + 10 * 366 * 86400:
        found = span(line.strip(), now)
        if found is None:
            spans = None
            break
        spans.append(found)
        now = found[1]
    print(json.dumps(spans))
