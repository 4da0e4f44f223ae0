"""Small real stores on loopback: an SFTP server with one account, an S3 server with one bucket."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import asyncssh
from moto.server import ThreadedMotoServer
from pyarrow.fs import S3FileSystem

from connectors.base import Connection
from tests.connectors.suite import SECRET

USER = "hub"
BUCKET = "deliveries"


class SftpServer:
    """Serves a folder as `/` to `USER` by password or key.

    Attributes:
        host_key: What clients should know the server by.
        links: Its clients.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        self.links: list[asyncssh.SSHServerConnection] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._acceptor: Any = None

    @property
    def known_hosts(self) -> str:
        return f"[127.0.0.1]:{self.port} {self.host_key.export_public_key().decode().strip()}"

    def connection(self, path: str = "", **options: Any) -> Connection:
        given = {"known_hosts": self.known_hosts, **options}
        return Connection("health", "sftp_drop", "file", f"sftp://{USER}@127.0.0.1:{self.port}/{path}", SECRET, given)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Drop every client."""
        for link in self.links:
            self._loop.call_soon_threadsafe(link.abort)

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        server = self

        class Gate(asyncssh.SSHServer):
            def connection_made(self, link: asyncssh.SSHServerConnection) -> None:
                server.links.append(link)

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == (USER, SECRET)

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                return username == USER and key == server.user_key.convert_to_public()

        def files(channel: Any) -> asyncssh.SFTPServer:
            return asyncssh.SFTPServer(channel, chroot=str(self.root).encode())

        self._acceptor = await asyncssh.listen(
            "127.0.0.1", self.port, server_host_keys=[self.host_key], server_factory=Gate, sftp_factory=files
        )
        self.port = self._acceptor.get_port()

    async def _close(self) -> None:
        self._acceptor.close()
        for link in self.links:
            link.abort()
        await self._acceptor.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class S3Server:
    """Holds one bucket; `put` and `names` work beside the connectors."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.files = S3FileSystem(
            access_key=USER,
            secret_key=SECRET,
            endpoint_override=self.endpoint,
            region="us-east-1",
            allow_bucket_creation=True,
        )
        self.files.create_dir(BUCKET)

    def connection(self, path: str = "", **options: Any) -> Connection:
        given = {"access_key_id": USER, "endpoint": self.endpoint, **options}
        return Connection("health", "s3_drop", "file", f"s3://{BUCKET}/{path}", SECRET, given)

    def put(self, folder: Path) -> None:
        """Bring the bucket up to a folder; what is there already keeps its time of change."""
        for path in folder.rglob("*"):
            name = f"{BUCKET}/{path.relative_to(folder).as_posix()}"
            if path.is_file() and not self._has(name, path.read_bytes()):
                with self.files.open_output_stream(name) as out:
                    out.write(path.read_bytes())

    def _has(self, name: str, content: bytes) -> bool:
        try:
            with self.files.open_input_stream(name) as there:
                return bool(there.read() == content)
        except FileNotFoundError:
            return False


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run an S3 server that forgets all at its end."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        link = http.client.HTTPConnection(host, port)
        link.request("POST", "/moto-api/reset")
        link.getresponse().read()
        link.close()
        yield S3Server(port)
    finally:
        server.stop()
