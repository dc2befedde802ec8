import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DatumState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATUM_STATE_UNSPECIFIED: _ClassVar[DatumState]
    DATUM_STATE_WAITING: _ClassVar[DatumState]
    DATUM_STATE_STARTING: _ClassVar[DatumState]
    DATUM_STATE_SUCCESS: _ClassVar[DatumState]
    DATUM_STATE_FAILED: _ClassVar[DatumState]
    DATUM_STATE_SKIPPED: _ClassVar[DatumState]
    DATUM_STATE_RECOVERED: _ClassVar[DatumState]

class LogStream(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOG_STREAM_UNSPECIFIED: _ClassVar[LogStream]
    LOG_STREAM_STDOUT: _ClassVar[LogStream]
    LOG_STREAM_STDERR: _ClassVar[LogStream]
DATUM_STATE_UNSPECIFIED: DatumState
DATUM_STATE_WAITING: DatumState
DATUM_STATE_STARTING: DatumState
DATUM_STATE_SUCCESS: DatumState
DATUM_STATE_FAILED: DatumState
DATUM_STATE_SKIPPED: DatumState
DATUM_STATE_RECOVERED: DatumState
LOG_STREAM_UNSPECIFIED: LogStream
LOG_STREAM_STDOUT: LogStream
LOG_STREAM_STDERR: LogStream

class Datum(_message.Message):
    __slots__ = ("job", "pipeline", "index", "id", "state", "tries", "losses", "worker", "inputs", "started", "stats", "reason", "message", "progress")
    JOB_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRIES_FIELD_NUMBER: _ClassVar[int]
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    job: str
    pipeline: str
    index: int
    id: str
    state: DatumState
    tries: int
    losses: int
    worker: str
    inputs: _containers.RepeatedScalarFieldContainer[str]
    started: _timestamp_pb2.Timestamp
    stats: DatumStats
    reason: str
    message: str
    progress: str
    def __init__(self, job: _Optional[str] = ..., pipeline: _Optional[str] = ..., index: _Optional[int] = ..., id: _Optional[str] = ..., state: _Optional[_Union[DatumState, str]] = ..., tries: _Optional[int] = ..., losses: _Optional[int] = ..., worker: _Optional[str] = ..., inputs: _Optional[_Iterable[str]] = ..., started: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stats: _Optional[_Union[DatumStats, _Mapping]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., progress: _Optional[str] = ...) -> None: ...

class DatumStats(_message.Message):
    __slots__ = ("download_time", "process_time", "upload_time", "download_bytes", "upload_bytes")
    DOWNLOAD_TIME_FIELD_NUMBER: _ClassVar[int]
    PROCESS_TIME_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_TIME_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    download_time: _duration_pb2.Duration
    process_time: _duration_pb2.Duration
    upload_time: _duration_pb2.Duration
    download_bytes: int
    upload_bytes: int
    def __init__(self, download_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., process_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., upload_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., download_bytes: _Optional[int] = ..., upload_bytes: _Optional[int] = ...) -> None: ...
