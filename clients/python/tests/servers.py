"""A real server, from the repository that this client lives in; CHORD_SERVER_COMMAND names another one."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "test" / "vectors"


def server_command() -> list[str]:
    """What to start. Skips the test where there is nothing."""
    if given := os.environ.get("CHORD_SERVER_COMMAND"):
        return shlex.split(given)
    main, node = ROOT / "dist" / "main.js", shutil.which("node")
    if node is None or not main.exists():
        pytest.skip("no server: build dist/main.js (`make build` in the root), or set CHORD_SERVER_COMMAND")
    return [node, str(main)]


class Server:
    """On LMDB in a directory of its own, or in memory. Comes back where it was: the same port, the same data."""

    def __init__(self, folder: Path | None, *settings: str) -> None:
        backend = ["--data-dir", str(folder)] if folder else ["--backend", "memory"]
        # It never refuses a call because its event loop is late: tests share their machine with other tests.
        patient = ["--max-event-loop-delay", "off"]
        self._args = [*server_command(), "serve", *backend, "--log-level", "error", *patient, *settings]
        self._process: subprocess.Popen[str] | None = None
        self.address = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        """On the port that it had. Some other process may have it for a moment, as that of an outgoing connection."""
        line = ""
        for _ in range(10):
            line = self._try_to_start()
            if found := re.search(r"serving on (\S+) ", line):
                self.address = found[1]
                return
            self.stop()
            time.sleep(0.5)
        raise AssertionError(f"the server did not start: {line!r}")

    def _try_to_start(self) -> str:
        self._process = subprocess.Popen(
            [*self._args, "--listen", self.address], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.stop(how)
        self.start()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM: streams hear `closing`. SIGKILL: connections break."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdout is not None
            process.send_signal(how)
            process.wait(30)
            process.stdout.close()
