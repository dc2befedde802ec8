"""The one error type, and the one door through which errors of gRPC become it."""

from __future__ import annotations

from dataclasses import dataclass, field

import grpc
from google.rpc import error_details_pb2, status_pb2

_DETAILS = "grpc-status-details-bin"
_DOMAIN = "sheaf"
CLOSED = "called off: the client is closed"


@dataclass(frozen=True)
class FieldViolation:
    """One thing that is wrong with one field of a request or a file."""

    field: str
    description: str


@dataclass(eq=False)
class SheafError(Exception):
    """Everything that the client raises.

    `code` is one of gRPC's ("NOT_FOUND"); `reason` is for programs and never changes its spelling; the message is for people.
    `retry_delay`: seconds to wait at least before another try, when the server says so.
    """

    code: str
    reason: str
    message: str
    details: tuple[FieldViolation, ...] = ()
    retry_delay: float | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message


def from_rpc(error: grpc.RpcError, address: str) -> SheafError:
    """What broke on the way is UNAVAILABLE and names the address; what a service said keeps its words."""
    assert isinstance(error, grpc.Call)
    code, message = error.code().name, error.details() or ""
    info, violations, delay = _details(error)
    if info is None and code == "CANCELLED" and "closed" in message.lower():
        return SheafError(code, "CALLED_OFF", CLOSED)
    if info is None and code in ("CANCELLED", "UNAVAILABLE", "INTERNAL") and _is_broken(code, message):
        text = f"cannot reach {address} ({message}); check that the service runs and that the address is right"
        return SheafError("UNAVAILABLE", "UNREACHABLE", text, metadata={"address": address})
    if info is None and code == "RESOURCE_EXHAUSTED" and _is_cut(message):
        return SheafError(code, "NOT_READ", f"{address} ended the call: its answers were not read")
    if info is None and code == "DEADLINE_EXCEEDED":
        message = f"no answer from {address} in the time given for the call"
    reason = info.reason if info is not None else code
    return SheafError(code, reason, message, violations, delay, dict(info.metadata) if info is not None else {})


def _is_broken(code: str, message: str) -> bool:
    """Whether the connection failed, and not the call."""
    return code != "INTERNAL" or "RST_STREAM" in message or "transport" in message.lower()


def _is_cut(message: str) -> bool:
    """HTTP/2's ENHANCE_YOUR_CALM, 11, for a stream."""
    return "ENHANCE_YOUR_CALM" in message or "error code 11" in message


def _details(error: grpc.Call):
    info, violations, delay = None, (), None
    packed = dict(error.trailing_metadata() or ()).get(_DETAILS)
    if packed is None:
        return info, violations, delay
    for detail in status_pb2.Status.FromString(packed).details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest.FromString(detail.value)
            violations = tuple(FieldViolation(each.field, each.description) for each in bad.field_violations)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            after = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
            delay = after.seconds + after.nanos / 1e9
    return info if info is not None and info.domain == _DOMAIN else None, violations, delay
