import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sheaf.api.v1 import datum_pb2 as _datum_pb2
from sheaf.api.v1 import pipeline_pb2 as _pipeline_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Job(_message.Message):
    __slots__ = ("id", "pipeline", "pipeline_version", "state", "reason", "message", "data_total", "data_processed", "data_skipped", "data_failed", "data_recovered", "data_in_flight", "shards_total", "shards_done", "stats", "inputs", "output_branch", "output_commit", "created", "started", "finished", "workers", "waiting_for", "backups", "progress")
    ID_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DATA_TOTAL_FIELD_NUMBER: _ClassVar[int]
    DATA_PROCESSED_FIELD_NUMBER: _ClassVar[int]
    DATA_SKIPPED_FIELD_NUMBER: _ClassVar[int]
    DATA_FAILED_FIELD_NUMBER: _ClassVar[int]
    DATA_RECOVERED_FIELD_NUMBER: _ClassVar[int]
    DATA_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    SHARDS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    SHARDS_DONE_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_BRANCH_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_COMMIT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    BACKUPS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    id: str
    pipeline: str
    pipeline_version: int
    state: _pipeline_pb2.JobState
    reason: str
    message: str
    data_total: int
    data_processed: int
    data_skipped: int
    data_failed: int
    data_recovered: int
    data_in_flight: int
    shards_total: int
    shards_done: int
    stats: _datum_pb2.DatumStats
    inputs: _containers.RepeatedCompositeFieldContainer[JobInput]
    output_branch: str
    output_commit: str
    created: _timestamp_pb2.Timestamp
    started: _timestamp_pb2.Timestamp
    finished: _timestamp_pb2.Timestamp
    workers: int
    waiting_for: str
    backups: int
    progress: _containers.RepeatedCompositeFieldContainer[DatumProgress]
    def __init__(self, id: _Optional[str] = ..., pipeline: _Optional[str] = ..., pipeline_version: _Optional[int] = ..., state: _Optional[_Union[_pipeline_pb2.JobState, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., data_total: _Optional[int] = ..., data_processed: _Optional[int] = ..., data_skipped: _Optional[int] = ..., data_failed: _Optional[int] = ..., data_recovered: _Optional[int] = ..., data_in_flight: _Optional[int] = ..., shards_total: _Optional[int] = ..., shards_done: _Optional[int] = ..., stats: _Optional[_Union[_datum_pb2.DatumStats, _Mapping]] = ..., inputs: _Optional[_Iterable[_Union[JobInput, _Mapping]]] = ..., output_branch: _Optional[str] = ..., output_commit: _Optional[str] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., workers: _Optional[int] = ..., waiting_for: _Optional[str] = ..., backups: _Optional[int] = ..., progress: _Optional[_Iterable[_Union[DatumProgress, _Mapping]]] = ...) -> None: ...

class DatumProgress(_message.Message):
    __slots__ = ("datum", "progress")
    DATUM_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    datum: int
    progress: str
    def __init__(self, datum: _Optional[int] = ..., progress: _Optional[str] = ...) -> None: ...

class JobInput(_message.Message):
    __slots__ = ("name", "repo", "branch", "commit")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REPO_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    name: str
    repo: str
    branch: str
    commit: str
    def __init__(self, name: _Optional[str] = ..., repo: _Optional[str] = ..., branch: _Optional[str] = ..., commit: _Optional[str] = ...) -> None: ...
