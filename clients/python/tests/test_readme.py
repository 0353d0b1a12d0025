"""The quickstart of the README does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from .servers import Server

README = (Path(__file__).parents[1] / "README.md").read_text()


BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def output_of(code: str, server: Server) -> list[str]:
    command = [sys.executable, "-c", code.replace("127.0.0.1:50051", server.address)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    return ran.stdout.splitlines()


def test_the_quickstart(server: Server) -> None:
    promised = re.findall(r"^ {4}((?:version|cake|ABORTED).*)", README, re.MULTILINE)
    assert len(promised) == 3
    assert output_of(BLOCKS[0], server) == promised


def test_the_quickstart_for_asyncio(server: Server) -> None:
    assert output_of(BLOCKS[1], server) == ["Full", "CaughtUp"]


def test_conditions_edits_and_waits(server: Server) -> None:
    promised = re.findall(r"^ {4}((?:refused|seats|expires): .*)", README, re.MULTILINE)
    assert len(promised) == 3
    assert output_of(BLOCKS[2], server) == promised


def test_batches_the_past_and_every_other_call(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--export-url", f"file:{tmp_path / 'exports'}")
    begin = 'import chordstate\nclient = chordstate.connect("127.0.0.1:50051")\nclient.set("room:1", {"members": {}})\n'
    end = '\nprint(before.value, client.get("{room:1}:topic").value)'
    try:
        told = output_of(begin + BLOCKS[3] + BLOCKS[4] + end, server)
    finally:
        server.stop()
    assert told == ["0 of 1", "1 of 1", "{'members': {}} {'topic': 'daily'}"]


def test_presence(server: Server) -> None:
    begin = 'import chordstate\nclient = chordstate.connect("127.0.0.1:50051")\n'
    [block] = [each for each in BLOCKS if "client.presence(" in each]
    end = '    print(client.get("lobby").value)\nprint(client.get("lobby").value)'
    assert output_of(begin + block + end, server) == ["{'ann': {'status': 'away'}}", "{}"]
