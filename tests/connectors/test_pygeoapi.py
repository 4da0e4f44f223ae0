"""Standard addresses out of pygeoapi, the reference server of OGC API Features: each once, in its place."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import shapely
import yaml

from connectors.base import Connection, Request
from tests.connectors.suite import Source, offer_of, rows_of, walked

pytestmark = pytest.mark.integration

COUNT = 57


def addresses() -> list[dict[str, Any]]:
    """Invented addresses in the county's extent."""
    return [
        {
            "type": "Feature",
            "id": f"DZ{number:04d}",
            "geometry": {"type": "Point", "coordinates": [117.4 + number / 1000, 34.4 + number / 2000]},
            "properties": {"dzbm": f"{number:06d}", "dzqc": f"潘安湖街道湖㳇路{number}号", "mph": number},
        }
        for number in range(COUNT)
    ]


def configuration(data: Path, port: int) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}"
    provider = {"type": "feature", "name": "GeoJSON", "data": str(data), "id_field": "dzbm"}
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("pygeoapi")
    data = folder / "bzdz.geojson"
    data.write_text(json.dumps({"type": "FeatureCollection", "features": addresses()}), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config, openapi = folder / "config.yml", folder / "openapi.yml"
    config.write_text(yaml.safe_dump(configuration(data, port)), encoding="utf-8")
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


@pytest.fixture
def source(server: str) -> Source:
    connection = Connection("natural_resources", "address_service", "ogc_features", server)
    options = {"collection": "bzdz", "page_size": 20, "pages_a_chunk": 1, "crs": "OGC:CRS84"}
    probe = {"where": {"dzbm": "000007"}, "near": [117.407, 34.4035], "within_m": 10}
    fields = ("dzbm", "dzqc", "mph", "geometry")
    request = Request("natural_resources/standard_address", fields, {**options, "probe": probe})
    return Source(connection, request, addresses())


def test_every_address_comes_once_and_in_its_place(source: Source) -> None:
    found = {row["dzbm"]: row for row in rows_of(offer_of(source))}
    assert len(found) == COUNT
    for feature in addresses():
        told = feature["properties"]
        row = found[told["dzbm"]]
        assert (row["dzqc"], row["mph"]) == (told["dzqc"], str(told["mph"]))
        point = shapely.from_wkb(row["geometry"])
        assert (point.x, point.y) == pytest.approx(feature["geometry"]["coordinates"])


def test_chunks_are_pages_and_the_total_is_told(source: Source) -> None:
    offer = offer_of(source)
    assert len(walked(offer).chunks) == 3
    assert offer.expected_rows == COUNT
