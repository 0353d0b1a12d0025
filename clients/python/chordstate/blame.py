"""Who made which part of a document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ._gen.chord.v1 import sync_service_pb2 as syncs
from .calls import Call
from .errors import sendable, text
from .model import Path, PathLike, Provenance, read_provenance, read_time
from .position import Position, read_position
from .requests import keys_of
from .values import Json, read_value


@dataclass(frozen=True, slots=True)
class BlameRun:
    """Elements of a list, or code points of a string."""

    index: int
    count: int


@dataclass(frozen=True, slots=True)
class BlameLine:
    """A leaf of a document, and the version that made it what it is.

    A list or a string has a line for each run of elements or code points that one version made.
    """

    #: Empty for the document itself, where it is empty.
    path: Path
    #: Of a list or a string that is not empty.
    run: BlameRun | None
    #: The value, or these elements or this text of it.
    value: Json
    #: None: an older one than `older_than` of the page.
    version: int | None
    updated_at: datetime | None
    #: None: nothing is known.
    provenance: Provenance | None


@dataclass(frozen=True, slots=True)
class BlamePage:
    """A part of a document, in the order of the paths."""

    lines: tuple[BlameLine, ...]
    #: The version that the lines of all pages are of.
    position: Position
    #: Lines without a version are older than this one: deltas before it are gone, or too many. None: each has its own.
    older_than: int | None


def blame_context(
    context_id: str, paths: Iterable[PathLike], page_size: int, page_token: str
) -> Call[tuple[BlamePage, str]]:
    """Answers a page and the token of the next one; empty: this was the last."""

    def read(answer: syncs.BlameContextResponse) -> tuple[BlamePage, str]:
        lines = tuple(map(_read_line, answer.lines))
        page = BlamePage(lines, read_position(answer.position), answer.older_than or None)
        return page, answer.next_page_token

    with sendable("page_size"):
        request = syncs.BlameContextRequest(page_size=page_size, page_token=page_token)
    request.context_id = text("context_id", context_id)
    for i, path in enumerate(paths):
        request.paths.add(keys=keys_of(path, f"paths[{i}].keys"))
    return Call("BlameContext", request, read)


def _read_line(message: syncs.BlameLine) -> BlameLine:
    run = BlameRun(message.run.index, message.run.count) if message.HasField("run") else None
    return BlameLine(
        tuple(message.path.keys),
        run,
        read_value(message.value),
        message.version or None,
        read_time(message, "updated_at"),
        read_provenance(message.provenance) if message.HasField("provenance") else None,
    )
