"""Explorers of the demonstration network, with directions in a file of the tests' own, served on 127.0.0.1."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from explorer_client import ExplorerClient, explorer_in

from orojar_cli.explore.app import Explorer
from orojar_cli.explore.server import ExplorerServer


@contextlib.contextmanager
def serving(explorer: Explorer) -> Iterator[ExplorerServer]:
    """A running server."""
    server = ExplorerServer(explorer)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive() and explorer.close(timeout=10)


@pytest.fixture(scope="session")
def serve():
    """serve(explorer) as a context: a client of its server."""

    @contextlib.contextmanager
    def client(explorer: Explorer) -> Iterator[ExplorerClient]:
        with serving(explorer) as server:
            yield ExplorerClient(server.port, server.token)

    return client


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, shapes_path: Path, serve) -> Iterator[ExplorerClient]:
    """A client for tests that change nothing."""
    with serve(explorer_in(tmp_path_factory.mktemp("explore"), shapes_path)) as client:
        yield client


@pytest.fixture
def own_page(tmp_path: Path, shapes_path: Path, serve) -> Iterator[ExplorerClient]:
    """A client for a test that changes labels in directions.safetensors."""
    with serve(explorer_in(tmp_path, shapes_path)) as client:
        yield client
