"""pygeoapi, the reference server of OGC API Features, on loopback with one collection `bzdz`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml


def _configuration(data: Path, port: int, id_field: str) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}"
    crs = [f"http://www.opengis.net/def/crs/{name}" for name in ("OGC/1.3/CRS84", "EPSG/0/4490", "EPSG/0/4549")]
    provider = {"type": "feature", "name": "GeoJSON", "data": str(data), "id_field": id_field, "crs": crs}
    text = {"en": "addresses"}
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": port},
            "url": url,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["en-US"],
            "limits": {"default_items": 10, "max_items": 20},
            "map": {"url": "https://tile.example/{z}/{x}/{y}.png", "attribution": "none"},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": text,
                "description": text,
                "keywords": {"en": ["a"]},
                "terms_of_service": url,
                "url": url,
            },
            "license": {"name": "none", "url": url},
            "provider": {"name": "natural resources", "url": url},
            "contact": {"name": "nobody", "email": "nobody@example.org"},
        },
        "resources": {
            "bzdz": {
                "type": "collection",
                "title": text,
                "description": text,
                "keywords": {"en": ["a"]},
                "links": [],
                "extents": {
                    "spatial": {"bbox": [117, 34, 118, 35], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}
                },
                "providers": [provider],
            }
        },
    }


@contextmanager
def pygeoapi(folder: Path, features: Sequence[dict[str, Any]], id_field: str) -> Iterator[str]:
    """Serve features and give the server's address.

    Args:
        folder: An empty one for its files.
        features: GeoJSON features.
        id_field: The property that names each.
    """
    data = folder / "bzdz.geojson"
    data.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config, openapi = folder / "config.yml", folder / "openapi.yml"
    config.write_text(yaml.safe_dump(_configuration(data, port, id_field)), encoding="utf-8")
    environment = {
        **os.environ,
        "PYGEOAPI_CONFIG": str(config),
        "PYGEOAPI_OPENAPI": str(openapi),
        "PYTHONWARNINGS": "ignore",
    }
    tool = [str(Path(sys.executable).parent / "pygeoapi")]
    generate = [*tool, "openapi", "generate", str(config), "--output-file", str(openapi)]
    subprocess.run(generate, env=environment, check=True, capture_output=True, timeout=120)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*tool, "serve"], env=environment, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/conformance", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert process.poll() is None, "the server ended"
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.2)
    pytest.fail("the server does not answer")
