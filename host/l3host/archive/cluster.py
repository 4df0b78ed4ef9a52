"""Workers of an existing Dask scheduler, as a work.Pool. The one place of archives that imports Dask."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

from l3host.errors import L3Error


class Cluster:
    """They must have l3mote with the same extras, and see the same paths. Raises L3Error if there is none at the address."""

    def __init__(self, address: str):
        try:
            from distributed import Client
            from distributed.comm import parse_address, parse_host_port
            from distributed.scheduler import KilledWorker
        except ImportError:
            raise L3Error("a cluster needs Dask: pip install 'l3mote[cluster]'") from None
        try:
            scheme, place = parse_address(address)
            if scheme != "inproc":
                parse_host_port(place)  # before there is a client, whose threads would keep the process from ending
            self.client = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError) as e:
            raise L3Error(f"no Dask scheduler at {address}: {e}") from None
        self.executor = self.client.get_executor(pure=False)
        self.lost = (KilledWorker, CancelledError)

    @property
    def width(self) -> int:
        return max(1, sum(self.client.nthreads().values()))

    def submit(self, work: Callable, item: Any) -> Future:
        return self.executor.submit(work, item)

    def alone(self, work: Callable, item: Any) -> Any:
        """Another attempt: the scheduler gives an item whose worker dies to other workers, some times, before it gives it up."""
        if self.client.status != "running":
            raise L3Error("the Dask scheduler is gone: run the same command again to go on where this stopped")
        return self.submit(work, item).result()

    def renew(self) -> bool:
        return False

    def close(self, given_up: bool) -> None:
        self.executor.shutdown(wait=False)
        self.client.close()
