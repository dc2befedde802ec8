"""Files of this machine as one commit: small ones whole, many in a message; big ones in pieces with their hash at the end."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import sys
import uuid
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator, Tuple, Union

from .api import v1
from .calls import Cancel, is_unreachable, send_again
from .errors import SheafError

LocalFile = Tuple[str, Union[str, "os.PathLike[str]", bytes]]
"""A path below `under` (a "/" before it changes nothing), and the file that it is read from, or its bytes."""

_MESSAGE_BYTES_MAX = 1024 * 1024
_SMALL_BYTES_MAX = 256 * 1024
_ENTRY_BYTES = 32
"""What a file takes in a message beyond its content and its path."""


@dataclass
class PutProgress:
    files: int = 0
    bytes: int = 0


@dataclass
class PutFolderResult(PutProgress):
    commit: v1.Commit | None = None
    skipped_links: int = 0
    """Links, which are not followed."""
    skipped_special: int = 0
    """Pipes, sockets, devices."""


def put_folder(
    rpc: Any, repo: str, branch: str, folder: str, *, filter: Callable[[str], bool] = lambda path: True, **options: Any
) -> PutFolderResult:
    def files(result: PutFolderResult) -> Iterator[LocalFile]:
        if not stat.S_ISDIR(_look(os.stat, folder).st_mode):
            raise SheafError("INVALID_ARGUMENT", "NOT_A_FOLDER", f"{_shown(folder)} is not a folder")
        return (each for each in _walk(folder, "", result) if filter(each[0]))

    return _put(rpc, repo, branch, files, **options)


def put_files(rpc: Any, repo: str, branch: str, files: Iterable[LocalFile], **options: Any) -> PutFolderResult:
    named = list(files)  # all may have to be sent again
    return _put(rpc, repo, branch, lambda _: named, **options)


def _put(
    rpc: Any,
    repo: str,
    branch: str,
    files: Callable[[PutFolderResult], Iterable[LocalFile]],
    *,
    under: str = "/",
    description: str = "",
    request_id: str = "",
    on_progress: Callable[[PutProgress], None] | None = None,
    cancel: Cancel | None = None,
) -> PutFolderResult:
    opening = v1.ModifyFilesOpen(
        repo=repo, branch=branch, description=description, request_id=request_id or uuid.uuid4().hex
    )

    def once() -> PutFolderResult:
        result, trouble = PutFolderResult(), []

        def steps() -> Iterator[v1.ModifyFilesRequest]:
            # gRPC would swallow what is raised here. Without `finish` the stream changes nothing.
            try:
                yield v1.ModifyFilesRequest(open=opening)
                yield from _steps(files(result), under, result, on_progress)
                yield v1.ModifyFilesRequest(finish=v1.ModifyFilesFinish())
            except Exception as error:
                trouble.append(error)

        try:
            result.commit = rpc.file.ModifyFiles(steps(), cancel=cancel).commit
        except SheafError:
            if trouble:
                raise trouble[0] from None
            raise
        return result

    # ABORTED: somebody else changed the branch meanwhile.
    return send_again(once, cancel, lambda error: is_unreachable(error) or error.code == "ABORTED")


def _steps(
    files: Iterable[LocalFile],
    under: str,
    progress: PutProgress,
    on_progress: Callable[[PutProgress], None] | None,
) -> Iterator[v1.ModifyFilesRequest]:
    """Holds about two messages at a time."""
    prefix = under if under.endswith("/") else under + "/"
    batch, weight = v1.FileBatch(), 0
    for name, source in files:
        path = prefix + name.removeprefix("/")
        if isinstance(source, bytes):
            parts, size, executable = iter((source,)), len(source), False
        else:
            parts, size, executable = _parts(os.fspath(source))
        is_small = size <= _SMALL_BYTES_MAX
        more = size + len(path.encode()) + _ENTRY_BYTES if is_small else 0
        if batch.files and (not is_small or weight + more > _MESSAGE_BYTES_MAX):
            yield v1.ModifyFilesRequest(batch=batch)
            batch, weight = v1.FileBatch(), 0
            _tell(on_progress, progress)
        if is_small:
            content = next(parts, b"")
            batch.files.add(path=path, content=content, executable=executable)
            weight += more
            progress.bytes += len(content)
        else:
            yield from _big(path, parts, executable, progress, on_progress)
        progress.files += 1
    if batch.files:
        yield v1.ModifyFilesRequest(batch=batch)
        _tell(on_progress, progress)


def _big(
    path: str,
    parts: Iterator[bytes],
    executable: bool,
    progress: PutProgress,
    on_progress: Callable[[PutProgress], None] | None,
) -> Iterator[v1.ModifyFilesRequest]:
    yield v1.ModifyFilesRequest(begin=v1.FileBegin(path=path, executable=executable))
    seen = hashlib.sha256()
    for part in parts:
        for at in range(0, len(part), _MESSAGE_BYTES_MAX):
            chunk = part[at : at + _MESSAGE_BYTES_MAX]
            seen.update(chunk)
            progress.bytes += len(chunk)
            yield v1.ModifyFilesRequest(chunk=chunk)
            _tell(on_progress, progress)
    yield v1.ModifyFilesRequest(end=v1.FileEnd(sha256=seen.digest()))


def _tell(on_progress: Callable[[PutProgress], None] | None, progress: PutProgress) -> None:
    if on_progress is not None:
        on_progress(progress)


def _parts(source: str) -> tuple[Iterator[bytes], int, bool]:
    """Opens what was a regular file when it was listed: a link or a pipe that took its place meanwhile is refused.

    A small file is read at once, so that none stays open; a big one to its end as it is found, also when it grows meanwhile.
    """
    fd = _look(lambda path: os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), source)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise _unreadable(source, "it is not a regular file")
        executable = found.st_mode & 0o111 != 0
        # Files that are made as they are read, like those of /proc, say that their size is 0.
        is_made = found.st_size == 0 and _look(lambda _: os.pread(fd, 1, 0), source) != b""
        size = sys.maxsize if is_made else found.st_size
        if size <= _SMALL_BYTES_MAX:
            content = _look(lambda _: _read(fd, found.st_size), source)
            return iter((content,)), len(content), executable
        parts, fd = _pieces(fd, source), -1
        return parts, size, executable
    finally:
        if fd >= 0:
            os.close(fd)


def _pieces(fd: int, source: str) -> Iterator[bytes]:
    try:
        while piece := _look(lambda _: _read(fd, _MESSAGE_BYTES_MAX), source):
            yield piece
    finally:
        os.close(fd)


def _read(fd: int, length: int) -> bytes:
    """Fewer than `length` only at the end of the file."""
    piece = os.read(fd, length)
    while len(piece) < length and (more := os.read(fd, length - len(piece))):
        piece += more
    return piece


def _walk(folder: str, path: str, result: PutFolderResult) -> Iterator[LocalFile]:
    """Files in the order of their names, folder by folder."""
    inside = []
    with _look(os.scandir, folder) as entries:
        rows = sorted(entries, key=lambda entry: entry.name)
    for entry in rows:
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            shown = _shown(os.fsencode(entry.path).decode(errors="replace"))
            text = f"the name of {shown} is not valid UTF-8: rename it, or leave it out; nothing was committed"
            raise SheafError("INVALID_ARGUMENT", "FILE_NAME_NOT_UNICODE", text) from None
        if entry.is_symlink():
            result.skipped_links += 1
        elif entry.is_dir(follow_symlinks=False):
            inside.append(entry)
        elif entry.is_file(follow_symlinks=False):
            yield path + entry.name, entry.path
        else:
            result.skipped_special += 1
    for entry in inside:
        yield from _walk(entry.path, f"{path}{entry.name}/", result)


def _look(read: Callable[[str], Any], path: str) -> Any:
    """What the file system answers, or an error that names the path and says what it means."""
    try:
        return read(path)
    except OSError as error:
        if error.errno == errno.ENOENT:
            text = f"there is no file or folder {_shown(path)}"
            raise SheafError("NOT_FOUND", "FILE_NOT_FOUND", text) from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise _unreadable(path, "permission denied") from None
        if error.errno == errno.ELOOP:
            raise _unreadable(path, "it is a link") from None
        text = f"cannot read {_shown(path)}: {error.strerror}"
        raise SheafError("FAILED_PRECONDITION", "FILE_UNREADABLE", text) from None


def _unreadable(path: str, why: str) -> SheafError:
    text = f"cannot read {_shown(path)}: {why}; nothing was committed. Make it readable or leave it out"
    return SheafError("PERMISSION_DENIED", "FILE_UNREADABLE", text)


def _shown(path: str) -> str:
    return json.dumps(path, ensure_ascii=False)
