"""The processes of a Greenroom in one terminal: forked from one parent, restarted when they die, ended together."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType

import structlog

PATIENCE = 15.0  # seconds between SIGTERM and SIGKILL: a worker finishes the row it works on
RESTART_AFTER = 1.0
LOOK_EVERY = 0.1

log = structlog.get_logger(__name__)


class Processes:
    """One child a role. Forking after the imports shares their memory and saves their time."""

    def __init__(self, roles: Mapping[str, Callable[[], None]]) -> None:
        self._roles = roles
        self._children: dict[int, str] = {}
        self._ending = False
        # Children read here; it ends when this process does, however it dies.
        self._alive, self._held = os.pipe()

    def run(self) -> None:
        """Until SIGINT or SIGTERM; then every child has ended."""
        signal.signal(signal.SIGINT, self._end)
        signal.signal(signal.SIGTERM, self._end)
        for role in self._roles:
            self._start(role)
        while not self._ending:
            self._restart_who_died()
            time.sleep(LOOK_EVERY)  # os.wait() would go on after a signal, and wait for a child that is deaf to it
        self._end_all()

    def _start(self, role: str) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._be(role)
        self._children[pid] = role

    def _be(self, role: str) -> None:
        """Never returns: whatever happens in a child must not run the parent's code."""
        code = 1
        try:
            os.setsid()  # the terminal's Ctrl-C goes to the parent alone, which ends us in order
            os.close(self._held)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            threading.Thread(target=self._end_with_parent, name="parent", daemon=True).start()
            self._roles[role]()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except BaseException:
            log.exception("process failed", role=role)
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _end_with_parent(self) -> None:
        os.read(self._alive, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
        os._exit(1)

    def _restart_who_died(self) -> None:
        pid, status = os.waitpid(-1, os.WNOHANG)
        role = self._children.pop(pid, None)
        if role is not None and not self._ending:
            log.warning("process died, starting it again", role=role, status=status)
            time.sleep(RESTART_AFTER)
            if not self._ending:
                self._start(role)

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self._ending = True
        self._tell_to_end()

    def _tell_to_end(self) -> None:
        for pid in list(self._children):
            _kill(pid, signal.SIGTERM)

    def _end_all(self) -> None:
        deadline = time.monotonic() + PATIENCE
        self._tell_to_end()  # also one that was being started when the signal came
        while self._children:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            self._children.pop(pid, None)
            if pid == 0 and time.monotonic() > deadline:
                for child in self._children:
                    _kill(child, signal.SIGKILL)
                deadline += PATIENCE
            time.sleep(0.02 if pid == 0 else 0)


def _kill(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
