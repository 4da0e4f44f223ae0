"""`python -m benchmarks.pages PORT-FILE ROWS`: a paged service whose answers are made beforehand.

`GET /rows?page=n&pageSize=1000` answers `{"code": 0, "data": {"total": …, "list": […]}}`; below `/slow` it thinks for
ten milliseconds first, which is less than any gateway of a department takes.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from benchmarks.register import COLUMNS

__all__ = ["PAGE_ROWS"]

PAGE_ROWS = 1_000
_THINKS_SECONDS = 0.010


def _page(number: int, rows: int) -> bytes:
    first = (number - 1) * PAGE_ROWS
    listed = [
        {name: f"{name}{n}" for name in COLUMNS if name != "xh"} | {"xh": n}
        for n in range(first, min(first + PAGE_ROWS, rows))
    ]
    return json.dumps({"code": 0, "data": {"total": rows, "list": listed}}).encode()


def _serve(port_file: Path, rows: int) -> None:
    pages = [_page(number, rows) for number in range(1, -(-rows // PAGE_ROWS) + 1)]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # A header and a body in two packets would wait for each other.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if self.path.startswith("/slow/"):
                time.sleep(_THINKS_SECONDS)
            number = int(parse_qs(urlsplit(self.path).query)["page"][0])
            body = pages[number - 1]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:
            """Say nothing: the clock runs."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fresh = port_file.with_suffix(".part")
    fresh.write_text(str(server.server_address[1]), encoding="utf-8")
    fresh.replace(port_file)
    server.serve_forever()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), int(sys.argv[2]))
