"""Files of a commit as files of this machine: below a folder and nowhere else, whatever paths come."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from dataclasses import dataclass
from typing import Any, Callable, Iterator

from .api import v1
from .calls import Cancel
from .errors import SheafError

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass
class GotFolder:
    """What was written."""

    files: int = 0
    bytes: int = 0


def get_folder(
    rpc: Any,
    repo: str,
    ref: str,
    folder: str,
    *,
    path: str = "/",
    glob: str = "",
    on_progress: Callable[[GotFolder], None] | None = None,
    cancel: Cancel | None = None,
) -> GotFolder:
    request = v1.GetFilesRequest(commit=v1.CommitRef(repo=repo, ref=ref), path=path, glob=glob)
    inside = path if path.endswith("/") else path + "/"

    def local(found: str) -> str:
        """A file comes under its own name, what is in a folder without its path."""
        return found[len(inside) :] if found.startswith(inside) else found.rsplit("/", 1)[-1]

    return _receive(rpc, request, _Writer(folder, local), on_progress, cancel)


def get_file(
    rpc: Any,
    repo: str,
    ref: str,
    path: str,
    target: str,
    *,
    on_progress: Callable[[GotFolder], None] | None = None,
    cancel: Cancel | None = None,
) -> GotFolder:
    request = v1.GetFilesRequest(commit=v1.CommitRef(repo=repo, ref=ref), path=path)
    folder, name = os.path.split(target)
    if name in ("", ".", ".."):
        raise _unwritable(target, "it is a folder" if target else "it has no name")

    def local(found: str) -> str:
        _require_one(path, found)
        return name

    got = _receive(rpc, request, _Writer(folder or ".", local), on_progress, cancel)
    if got.files == 0:
        raise _no_file(path)
    return got


def _receive(
    rpc: Any,
    request: v1.GetFilesRequest,
    writer: _Writer,
    on_progress: Callable[[GotFolder], None] | None,
    cancel: Cancel | None,
) -> GotFolder:
    big: _BigFile | None = None
    try:
        for answer in rpc.file.GetFiles(request, cancel=cancel):
            kind = answer.WhichOneof("message")
            if kind == "batch":
                for file in answer.batch.files:
                    writer.write(file)
            elif kind == "begin":
                big = writer.begin(answer.begin)
            elif big is not None and kind == "chunk":
                big.write(answer.chunk)
            elif big is not None and kind == "end":
                ended, big = big, None
                ended.end(answer.end.sha256)
            if on_progress is not None:
                on_progress(writer.written)
        if big is not None:
            raise _broken_off(big.path)
    finally:
        if big is not None:
            big.discard()
    return writer.written


def read_file(rpc: Any, repo: str, ref: str, path: str, cancel: Cancel | None) -> Iterator[bytes]:
    request = v1.GetFilesRequest(commit=v1.CommitRef(repo=repo, ref=ref), path=path)
    seen, has_come = None, False
    for answer in rpc.file.GetFiles(request, cancel=cancel):
        kind = answer.WhichOneof("message")
        if kind == "batch":
            for file in answer.batch.files:
                has_come = _require_one(path, file.path)
                yield file.content
        elif kind == "begin":
            has_come = _require_one(path, answer.begin.path)
            seen = hashlib.sha256()
        elif seen is not None and kind == "chunk":
            seen.update(answer.chunk)
            yield answer.chunk
        elif seen is not None and kind == "end":
            _require_hash(path, seen, answer.end.sha256)
            seen = None
    if seen is not None:
        raise _broken_off(path)
    if not has_come:
        raise _no_file(path)


def _require_one(asked: str, found: str) -> bool:
    """What is in a folder has another path than the folder."""
    if found != asked.rstrip("/"):
        raise _no_file(asked)
    return True


def _no_file(path: str) -> SheafError:
    return SheafError("INVALID_ARGUMENT", "NOT_A_FILE", f"{_shown(path)} is a folder of the commit: name a file, or get the folder")


class _BigFile:
    """A file that comes in pieces."""

    def __init__(self, path: str, target: str, fd: int, written: GotFolder) -> None:
        self.path, self._target, self._fd, self._written = path, target, fd, written
        self._seen, self._bytes = hashlib.sha256(), 0

    def write(self, chunk: bytes) -> None:
        self._seen.update(chunk)
        self._bytes += len(chunk)
        _attempt(lambda: _write_all(self._fd, chunk), self._target)

    def end(self, sha256: bytes) -> None:
        """DATA_LOSS, and no file, when its bytes have another hash."""
        try:
            _require_hash(self.path, self._seen, sha256)
        except SheafError:
            self.discard()
            raise
        _attempt(lambda: os.close(self._fd), self._target)
        self._written.files += 1
        self._written.bytes += self._bytes

    def discard(self) -> None:
        _remove_open(self._fd, self._target)


class _Writer:
    def __init__(self, folder: str, local: Callable[[str], str]) -> None:
        self.written = GotFolder()
        self._folder, self._local = folder, local
        self._made: set[str] = set()
        """Folders that are known to be real ones."""
        _attempt(lambda: os.makedirs(folder, exist_ok=True), folder)

    def write(self, file: v1.WholeFile) -> None:
        target, fd = self._open(file.path, file.executable)
        try:
            _attempt(lambda: _write_all(fd, file.content), target)
        except BaseException:
            _remove_open(fd, target)
            raise
        _attempt(lambda: os.close(fd), target)
        self.written.files += 1
        self.written.bytes += len(file.content)

    def begin(self, file: v1.FileBegin) -> _BigFile:
        return _BigFile(file.path, *self._open(file.path, file.executable), self.written)

    def _open(self, path: str, executable: bool) -> tuple[str, int]:
        target = self._place(path)
        fd: int = _attempt(lambda: os.open(target, _FLAGS, 0o755 if executable else 0o644), target)
        # It would take no more than it has room for.
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.close(fd)
            raise _unwritable(target, _REASONS[errno.ENXIO])
        return target, fd

    def _place(self, path: str) -> str:
        parts = self._local(path).split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            text = f"the commit has a path that cannot be a file: {_shown(path)}"
            raise SheafError("DATA_LOSS", "PATH_INVALID", text)
        folder = self._folder
        for part in parts[:-1]:
            folder = os.path.join(folder, part)
            if folder not in self._made:
                self._make(folder)
        return os.path.join(folder, parts[-1])

    def _make(self, folder: str) -> None:
        def make() -> bool:
            try:
                os.mkdir(folder)
            except FileExistsError:
                pass
            return stat.S_ISDIR(os.lstat(folder).st_mode)

        if not _attempt(make, folder):
            is_link = os.path.islink(folder)
            if is_link:
                text = f"{_shown(folder)} is a link: nothing is written through it"
                raise SheafError("FAILED_PRECONDITION", "FOLDER_IS_A_LINK", text)
            raise _unwritable(folder, "it is a file")
        self._made.add(folder)


def _write_all(fd: int, content: bytes) -> None:
    at = os.write(fd, content)
    while at < len(content):
        at += os.write(fd, memoryview(content)[at:])


def _remove_open(fd: int, target: str) -> None:
    """Half a file is none. What is no file, like a device, was there before, and stays."""
    is_file = stat.S_ISREG(os.fstat(fd).st_mode)
    os.close(fd)
    if is_file:
        try:
            os.unlink(target)
        except FileNotFoundError:
            pass


def _require_hash(path: str, seen: Any, sha256: bytes) -> None:
    if seen.digest() != sha256:
        text = f"the bytes of {_shown(path)} that came are not those that were stored: get it again"
        raise SheafError("DATA_LOSS", "CHECKSUM_MISMATCH", text)


def _broken_off(path: str) -> SheafError:
    text = f"the stream ended before the end of {_shown(path)}: get it again"
    return SheafError("DATA_LOSS", "FILE_BROKEN_OFF", text)


_REASONS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ELOOP: "it is a link",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of its path is a file",
    errno.EEXIST: "it is a file",
    errno.ENXIO: "it is a pipe",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is reached",
    errno.EROFS: "the file system is read-only",
    errno.ENAMETOOLONG: "the name is too long for this file system",
}


def _attempt(act: Callable[[], Any], target: str) -> Any:
    try:
        return act()
    except OSError as error:
        raise _unwritable(target, _REASONS.get(error.errno or 0, error.strerror)) from None


def _unwritable(target: str, why: str) -> SheafError:
    return SheafError("FAILED_PRECONDITION", "FILE_NOT_WRITABLE", f"cannot write {_shown(target)}: {why}")


def _shown(path: str) -> str:
    return json.dumps(path, ensure_ascii=False)
