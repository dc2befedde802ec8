"""A cluster as its users see it: the services of the contract, and above them what takes more than one call."""

from __future__ import annotations

import json
import os
import re
import ssl
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Iterable, Iterator, Mapping

import grpc

from .api import v1
from .api.v1 import (
    cluster_service_pb2_grpc,
    datum_service_pb2_grpc,
    file_service_pb2_grpc,
    job_service_pb2_grpc,
    pipeline_service_pb2_grpc,
    repo_service_pb2_grpc,
)
from .api.v1 import cluster_service_pb2, datum_service_pb2, file_service_pb2  # noqa: F401  descriptors, for the retries
from .api.v1 import job_service_pb2, pipeline_service_pb2, repo_service_pb2  # noqa: F401
from .calls import Cancel, Service, send_again
from .errors import FieldViolation, SheafError
from .get import GotFolder, get_file, get_folder, read_file
from .put import LocalFile, PutFolderResult, put_files, put_folder
from .watch import WatchedCommit, follow_logs, wait_job, watch_commits, watch_job

_MESSAGE_BYTES_MAX = 4 * 1024 * 1024
_PAGE_SIZE = 1000
_ADDRESS = re.compile(r"(?:(?P<scheme>https?)://)?(?P<target>(?P<host>\[[0-9a-fA-F:.%\w]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5}))/?")
_FILES = (cluster_service_pb2, datum_service_pb2, file_service_pb2, job_service_pb2, pipeline_service_pb2, repo_service_pb2)


def connect(
    address: str | None = None,
    *,
    token: str | None = None,
    ca_file: str | None = None,
    env: Mapping[str, str] = os.environ,
) -> Client:
    """A client of the cluster at `address` ("host:port", "https://host:port"). It connects with the first call.

    What is not given is read from SHEAF_ADDRESS, SHEAF_TOKEN, and SHEAF_CA, a file with the authority of the cluster. TLS is spoken when the
    address begins with https://, or when there is such a file and it does not begin with http://.
    INVALID_ARGUMENT when there is no address, or when it is none, or a token would be sent in plain text to another machine.
    """
    name = "address" if address else "SHEAF_ADDRESS"
    given = address or env.get("SHEAF_ADDRESS", "")
    if not given:
        raise _invalid("NO_ADDRESS", "no cluster is named: set SHEAF_ADDRESS, or give an address to connect")
    found = _ADDRESS.fullmatch(given)
    if found is None or int(found["port"]) > 65_535:
        wrong = "is not an address: use host:port, like 127.0.0.1:7070 or [::1]:7070"
        raise _invalid("ADDRESS_INVALID", f"{name} {json.dumps(given)} {wrong}", FieldViolation(name, wrong))
    target = found["target"]
    ca_file = ca_file or env.get("SHEAF_CA", "")
    token = (token or env.get("SHEAF_TOKEN", "")).strip()  # it may come from a file, with the end of its line
    if re.fullmatch(r"[\x21-\x7e]*", token) is None:
        raise _invalid("TOKEN_INVALID", "the token has characters that none has")
    is_secure = found["scheme"] == "https" or (found["scheme"] is None and bool(ca_file))
    if token and not is_secure and not _is_loopback(found["host"]):
        text = f"a token is not sent to {target} in plain text: give the address as https://{target}, and the CA file in SHEAF_CA"
        raise _invalid("TOKEN_IN_PLAIN_TEXT", text)
    return Client(target, token, _channel(target, ca_file if is_secure else None))


class Client:
    """Everything in it raises SheafError only; UNAVAILABLE, with the address, when the cluster cannot be reached.

    It may be used by several threads. `rpc` has the services call by call: `client.rpc.repo.CreateRepo(v1.CreateRepoRequest(...))`.
    """

    def __init__(self, address: str, token: str, channel: grpc.Channel) -> None:
        self.address, self._channel = address, channel
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        stubs = {
            "repo": repo_service_pb2_grpc.RepoServiceStub,
            "file": file_service_pb2_grpc.FileServiceStub,
            "pipeline": pipeline_service_pb2_grpc.PipelineServiceStub,
            "job": job_service_pb2_grpc.JobServiceStub,
            "datum": datum_service_pb2_grpc.DatumServiceStub,
            "cluster": cluster_service_pb2_grpc.ClusterServiceStub,
        }
        self.rpc = SimpleNamespace(
            **{name: Service(stub(self._channel), address, metadata) for name, stub in stubs.items()}
        )

    def close(self) -> None:
        """Open calls, and all that come after, end with CANCELLED. Twice is harmless."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Files

    def put_folder(self, repo: str, branch: str, folder: str | Path, **options: Any) -> PutFolderResult:
        """Puts the regular files under a folder as one commit on repo@branch, at the same paths. Links are not followed.

        Options: `under` (a folder of the repo), `description`, `filter` (by the path below the folder), `on_progress`,
        `request_id`, `cancel`. A file that cannot be read is named by the error, and nothing is committed.
        """
        return put_folder(self.rpc, repo, branch, os.fspath(folder), **options)

    def put_files(self, repo: str, branch: str, files: Iterable[LocalFile], **options: Any) -> PutFolderResult:
        """The same for files that are named one by one: `(path, file of this machine)`, or `(path, bytes)`. Paths lie below `under`."""
        return put_files(self.rpc, repo, branch, files, **options)

    def get_folder(self, repo: str, ref: str, folder: str | Path, **options: Any) -> GotFolder:
        """Writes the files of a commit (`ref`: a branch, or the id of a commit) under a folder, and nowhere else.

        The folder is made when it is missing; files that are there are replaced. Options: `path` (what is in it comes without
        its path), `glob`, `on_progress`, `cancel`. DATA_LOSS when bytes came that are not what was stored.
        """
        return get_folder(self.rpc, repo, ref, os.fspath(folder), **options)

    def get_file(self, repo: str, ref: str, path: str, target: str | Path, **options: Any) -> GotFolder:
        """Writes one file of a commit as the local file `target`. INVALID_ARGUMENT when `path` is a folder."""
        return get_file(self.rpc, repo, ref, path, os.fspath(target), **options)

    def read_file(self, repo: str, ref: str, path: str, cancel: Cancel | None = None) -> Iterator[bytes]:
        """The bytes of one file, in pieces. INVALID_ARGUMENT when `path` is a folder, DATA_LOSS when they are not what was stored."""
        return read_file(self.rpc, repo, ref, path, cancel)

    # Pipelines and jobs

    def submit(self, spec: v1.PipelineSpec, cancel: Cancel | None = None) -> v1.Pipeline:
        """Creates a pipeline (see `read_spec`); sent again when the answer is lost, which is safe. Errors: as CreatePipeline."""
        request = v1.CreatePipelineRequest(spec=spec, request_id=uuid.uuid4().hex)
        return send_again(lambda: self.rpc.pipeline.CreatePipeline(request, cancel=cancel), cancel).pipeline

    def run(self, pipeline: str, request_id: str = "", cancel: Cancel | None = None) -> v1.Job:
        """Makes a job of the inputs as they are now; sent again when the answer is lost. Errors: as RunPipeline.

        With a `request_id` of the caller's own, a caller that died and runs again gets the job that it made before.
        """
        request = v1.RunPipelineRequest(name=pipeline, request_id=request_id or uuid.uuid4().hex)
        return send_again(lambda: self.rpc.pipeline.RunPipeline(request, cancel=cancel), cancel).job

    def watch_job(self, pipeline: str, job: str = "", **options: Any) -> Iterator[v1.Job]:
        """A job (default: the newest) now, and then whenever it changes, until it is over. Goes on when the connection breaks.

        Options: `first_job_seconds` (wait so long for a pipeline's first job), `unreachable_seconds`, `on_broken`, `cancel`.
        """
        return watch_job(self.rpc, pipeline, job, **options)

    def wait_job(self, pipeline: str, job: str = "", timeout: float | None = None, **options: Any) -> v1.Job:
        """The job when it is over, however it ended. DEADLINE_EXCEEDED after `timeout` seconds: the job goes on."""
        return wait_job(self.rpc, pipeline, job, timeout, **options)

    def watch_commits(self, repo: str, branch: str = "", **options: Any) -> Iterator[WatchedCommit]:
        """The newest commit of a branch, then each that is made after it, in order and each once, until `cancel` or the loop is left.

        Goes on when the connection breaks. Of a program that starts again: give it the `resume` of the last that was dealt with.
        Options: `resume`, `unreachable_seconds`, `on_broken`, `cancel`.
        """
        return watch_commits(self.rpc, repo, branch, **options)

    def follow_logs(self, pipeline: str, job: str, **options: Any) -> Iterator[v1.JobLogLine]:
        """Lines that the commands of a job write, until it is over. Goes on where it was when the connection breaks.

        Options: the filters of GetLogsRequest, `unreachable_seconds`, `on_broken`, `cancel`.
        """
        return follow_logs(self.rpc, pipeline, job, **options)

    # Lists, row by row, whatever the number of pages. Filters: the fields of the request.

    def repos(self, **filters: Any) -> Iterator[v1.Repo]:
        return _rows(self.rpc.repo.ListRepos, v1.ListReposRequest, filters, "repos")

    def commits(self, repo: str, **filters: Any) -> Iterator[v1.Commit]:
        return _rows(self.rpc.repo.ListCommits, v1.ListCommitsRequest, {"repo": repo, **filters}, "commits")

    def files(self, repo: str, ref: str = "", path: str = "/") -> Iterator[v1.File]:
        """What a folder holds."""
        fields = {"commit": v1.CommitRef(repo=repo, ref=ref), "path": path}
        return _rows(self.rpc.file.ListFiles, v1.ListFilesRequest, fields, "files")

    def glob_files(self, repo: str, ref: str, glob: str) -> Iterator[v1.File]:
        """What a glob matches: the paths that would be datums."""
        fields = {"commit": v1.CommitRef(repo=repo, ref=ref), "glob": glob}
        return _rows(self.rpc.file.GlobFiles, v1.GlobFilesRequest, fields, "files")

    def pipelines(self, **filters: Any) -> Iterator[v1.Pipeline]:
        return _rows(self.rpc.pipeline.ListPipelines, v1.ListPipelinesRequest, filters, "pipelines")

    def jobs(self, **filters: Any) -> Iterator[v1.Job]:
        return _rows(self.rpc.job.ListJobs, v1.ListJobsRequest, filters, "jobs")

    def datums(self, pipeline: str, job: str = "", **filters: Any) -> Iterator[v1.Datum]:
        fields = {"pipeline": pipeline, "job": job, **filters}
        return _rows(self.rpc.datum.ListDatums, v1.ListDatumsRequest, fields, "datums")

    def workers(self, **filters: Any) -> Iterator[v1.Worker]:
        return _rows(self.rpc.cluster.ListWorkers, v1.ListWorkersRequest, filters, "workers")

    def logs(self, pipeline: str, job: str = "", **filters: Any) -> Iterator[v1.JobLogLine]:
        """Lines that commands wrote, as far as their datums are committed."""
        for answer in self.rpc.datum.GetLogs(v1.GetLogsRequest(pipeline=pipeline, job=job, **filters)):
            yield from answer.lines


def _rows(call: Callable[..., Any], request: Any, fields: Mapping[str, Any], rows: str) -> Iterator[Any]:
    token = ""
    while True:
        answer = call(request(**fields, page=v1.Page(size=_PAGE_SIZE, token=token)))
        yield from getattr(answer, rows)
        token = answer.next_page_token
        if not token:
            return


def _invalid(reason: str, message: str, *details: FieldViolation) -> SheafError:
    return SheafError("INVALID_ARGUMENT", reason, message, details)


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "[::1]") or re.fullmatch(r"127(\.\d+){3}", host) is not None


def _channel(address: str, ca_file: str | None) -> grpc.Channel:
    """`ca_file`: None, no TLS; empty, the authorities that the machine trusts."""
    options = [
        ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
        # A peer that went away without a word is noticed; the server's own signs of life reach applications only.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.enable_http_proxy", 0),
        ("grpc.service_config", json.dumps(_service_config())),
    ]
    if ca_file is None:
        return grpc.insecure_channel(address, options)
    try:
        certificates = Path(ca_file).read_bytes() if ca_file else None
        if ca_file:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
    except OSError as error:
        why = "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise _invalid("CA_UNREADABLE", f"the CA file {json.dumps(ca_file)} cannot be read: {why}") from None
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(certificates), options)


def _service_config() -> dict[str, Any]:
    """Calls that change nothing are made again while nobody answers: about 5 s."""
    reads = [
        {"service": service.full_name, "method": method.name}
        for file in _FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.GetOptions().idempotency_level == 1
    ]
    policy = {
        "maxAttempts": 5,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 3,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return {"methodConfig": [{"name": reads, "retryPolicy": policy}]}
