"""Brings the simulated GitHub's deliveries to Greenroom's webhook address, in order, as GitHub does: it never waits."""

import threading
import time
from queue import SimpleQueue

import httpx

TIMEOUT_SECONDS = 10  # GitHub's own
TRY_AGAIN_SECONDS = 0.2
STOP_SECONDS = 2
NOTICED_SECONDS = 10  # after which a Greenroom has noticed that it has an App
PATH = "/github/webhook"
ACKNOWLEDGED = ("200", "202")

Delivery = tuple[dict[str, str], bytes]


class Courier:
    """Called with a delivery it returns at once; `stop()` lets it finish what it has, if that is soon."""

    def __init__(self, address: str) -> None:
        self.refused: dict[str, str] = {}
        """What was answered instead of an acknowledgement, by the delivery's event."""
        self.is_heard = False
        """Whether a delivery was acknowledged."""
        self._address = address + PATH
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)
        self._waiting: SimpleQueue[Delivery | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def __call__(self, headers: dict[str, str], body: bytes) -> None:
        self._waiting.put((headers, body))

    def stop(self) -> None:
        self._stopping.set()
        self._waiting.put(None)
        self._thread.join(STOP_SECONDS)
        self._client.close()

    def _run(self) -> None:
        patience = NOTICED_SECONDS
        while (delivery := self._waiting.get()) is not None:
            self._deliver(delivery, patience)
            patience = 0

    def _deliver(self, delivery: Delivery, patience: float) -> None:
        """Tries again for so many seconds, until it is acknowledged."""
        until = time.monotonic() + patience
        while (answer := self._post(*delivery)) not in ACKNOWLEDGED:
            self.refused[delivery[0]["X-GitHub-Event"]] = answer
            if time.monotonic() > until or self._stopping.wait(TRY_AGAIN_SECONDS):
                return
        if not self.is_heard:
            self.is_heard = True
            self.refused.clear()

    def _post(self, headers: dict[str, str], body: bytes) -> str:
        try:
            return str(self._client.post(self._address, headers=headers, content=body).status_code)
        except httpx.TransportError as error:
            return type(error).__name__
