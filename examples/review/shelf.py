"""Where a process keeps the documents it has read, so that three agents do not read ten megabytes three times.

Rules: the only file that touches the disk. A document is known by path, time of change and size, so a file that was
changed is read again; the shelf holds a bounded number of bytes and forgets what was not used for longest.
"""

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from .documents import Document
from .splitter import split

# Sizes of files; what is kept takes about six times as much memory.
SHELF_LIMIT_BYTES: Final = 24_000_000
FILE_LIMIT_BYTES: Final = 64_000_000

_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")

_Key = tuple[str, int, int]


def read(path: str, name: str = "") -> Document:
    """Read a file into a document.

    Args:
        path: A text file of any size; bytes that are not UTF-8 are replaced, UTF-16 is known by
            its byte order mark.
        name: What the report calls the file; the path by default.

    Returns:
        The document.

    Raises:
        OSError: The file cannot be read; the message is the system's own.
    """
    data = Path(path).read_bytes()
    encoding = "utf-16" if data.startswith(_UTF16_MARKS) else "utf-8-sig"
    return split(data.decode(encoding, errors="replace"), name or path, len(data))


class Shelf:
    """Documents that were read, up to a number of bytes; may be used from any thread.

    Args:
        limit_bytes: How many bytes of files are kept.
    """

    def __init__(self, limit_bytes: int = SHELF_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[_Key, Document] = OrderedDict()
        self._lock = threading.Lock()

    def documents(self, paths: Sequence[str]) -> list[Document]:
        """Give the documents of some files, read now or kept from before.

        Args:
            paths: The files, in the order wanted; one that is named twice is given once.

        Returns:
            The documents, each with the shortest name that tells them apart.

        Raises:
            OSError: A file is missing or cannot be read; the message names it and says why.
            ValueError: A path leads to no file of text, or to one over 64 MB.
        """
        wanted = list(dict.fromkeys(paths))
        found = [self._document(path) for path in wanted]
        return [replace(document, name=name) for document, name in zip(found, short_names(wanted), strict=True)]

    def statistics(self) -> dict[str, int]:
        """Count what is kept.

        Returns:
            `documents`, `bytes` and `limit_bytes`.
        """
        with self._lock:
            return {"documents": len(self._kept), "bytes": self._bytes(), "limit_bytes": self._limit_bytes}

    def _document(self, path: str) -> Document:
        try:
            status = Path(path).stat()
            _refuse(path, status)
            # One lock for all: agents that want the same file at once wait for one reading instead of doing three.
            with self._lock:
                return self._take((path, status.st_mtime_ns, status.st_size))
        except OSError as error:
            raise _plainly(error, path) from None

    def _take(self, key: _Key) -> Document:
        document = self._kept.get(key)
        if document is None:
            document = self._kept[key] = read(key[0])
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and self._bytes() > self._limit_bytes:
            self._kept.popitem(last=False)
        return document

    def _bytes(self) -> int:
        return sum(document.size_bytes for document in self._kept.values())


def short_names(paths: Sequence[str]) -> list[str]:
    """Shorten paths to what tells them apart.

    Args:
        paths: Paths, each different.

    Returns:
        For each the file's name, with as many of its folders as all need to differ.
    """
    parts = [Path(path).parts for path in paths]
    depth = 1
    while depth < max(map(len, parts), default=0) and len({part[-depth:] for part in parts}) < len(parts):
        depth += 1
    return ["/".join(part[-depth:]) if part else path for part, path in zip(parts, paths, strict=True)]


def _refuse(path: str, status: os.stat_result) -> None:
    """Refuse what has no end, such as a device or a pipe, before reading begins."""
    if stat.S_ISDIR(status.st_mode):
        raise ValueError(f"cannot read {path!r}: it is a folder; name the files in it")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"cannot read {path!r}: it is not a file of text")
    if status.st_size > FILE_LIMIT_BYTES:
        raise ValueError(f"cannot read {path!r}: {status.st_size / 1e6:,.0f} MB, the limit is 64 MB; split the file")


def _plainly(error: OSError, path: str) -> OSError:
    """Say it again so that a person knows what to do: which file, and where it was looked for."""
    if isinstance(error, FileNotFoundError):
        place = "" if Path(path).is_absolute() else f" (looked for in {Path.cwd()})"
        return FileNotFoundError(f"cannot read {path!r}: there is no such file{place}")
    return type(error)(f"cannot read {path!r}: {error.strerror or error}")
