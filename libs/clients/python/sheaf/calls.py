"""Calls as the client makes them: with a deadline, a token, a way to call them off, and errors of one type."""

from __future__ import annotations

import random
import threading
import time
from typing import Any, Callable, Iterable, Iterator, TypeVar

import grpc

from .errors import CLOSED, SheafError, from_rpc

UNARY_SECONDS = 30.0
UNREACHABLE_SECONDS = 60.0
"""For how long nobody may answer before what goes on by itself gives up. A master is replaced in less."""

_T = TypeVar("_T")


class Cancel:
    """Calls off whatever it was given to, from any thread: that raises CANCELLED. It cannot be undone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set = threading.Event()
        self._calls: set[Any] = set()

    def cancel(self) -> None:
        with self._lock:
            self._set.set()
            calls = list(self._calls)
        for call in calls:
            call.cancel()

    @property
    def cancelled(self) -> bool:
        return self._set.is_set()

    def check(self) -> None:
        if self.cancelled:
            raise SheafError("CANCELLED", "CALLED_OFF", "called off")

    def sleep(self, seconds: float) -> None:
        self._set.wait(seconds)
        self.check()

    def hold(self, call: Any) -> None:
        with self._lock:
            self._calls.add(call)
            is_late = self._set.is_set()
        if is_late:
            call.cancel()

    def let_go(self, call: Any) -> None:
        with self._lock:
            self._calls.discard(call)


class Service:
    """A generated stub whose calls raise SheafError only, and take `timeout` (seconds) and `cancel`."""

    def __init__(self, stub: Any, address: str, metadata: tuple[tuple[str, str], ...]) -> None:
        self._stub, self._address, self._metadata = stub, address, metadata

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stub, name)
        if isinstance(method, grpc.UnaryUnaryMultiCallable):
            made = self._single(method, UNARY_SECONDS)
        elif isinstance(method, grpc.StreamUnaryMultiCallable):
            made = self._single(method, None)
        else:
            made = self._stream(method)
        setattr(self, name, made)
        return made

    def _single(self, method: Any, seconds: float | None) -> Callable[..., Any]:
        def call(request: Any, *, timeout: float | None = seconds, cancel: Cancel | None = None) -> Any:
            future = _opened(lambda: method.future(request, timeout=timeout, metadata=self._metadata))
            return next(self._held(future, cancel, lambda: iter((future.result(),))))

        return call

    def _stream(self, method: Any) -> Callable[..., Any]:
        def call(request: Any, *, timeout: float | None = None, cancel: Cancel | None = None) -> Iterator[Any]:
            answers = _opened(lambda: method(request, timeout=timeout, metadata=self._metadata))
            return self._held(answers, cancel, lambda: answers)

        return call

    def _held(self, call: Any, cancel: Cancel | None, answers: Callable[[], Iterable[_T]]) -> Iterator[_T]:
        if cancel is not None:
            cancel.hold(call)
        try:
            yield from answers()
        except grpc.FutureCancelledError:
            raise SheafError("CANCELLED", "CALLED_OFF", "called off") from None
        except grpc.RpcError as error:
            if cancel is not None:
                cancel.check()
            raise from_rpc(error, self._address) from None
        finally:
            call.cancel()  # harmless when it is over; a loop that is left early ends its call
            if cancel is not None:
                cancel.let_go(call)


def _opened(call: Callable[[], _T]) -> _T:
    """gRPC says of a channel that was closed that a value is wrong."""
    try:
        return call()
    except ValueError as error:
        if "closed" in str(error).lower():
            raise SheafError("CANCELLED", "CALLED_OFF", CLOSED) from None
        raise


class Waits:
    """Seconds between tries: random between the base and three times the one before, so that many do not come back together."""

    def __init__(self, base: float = 0.02, cap: float = 1.0) -> None:
        self._base, self._cap, self._last = base, cap, base

    def next(self) -> float:
        self._last = min(self._cap, self._base + random.random() * max(0.0, self._last * 3 - self._base))
        return self._last

    def reset(self) -> None:
        self._last = self._base


def is_unreachable(error: SheafError) -> bool:
    """Nobody answered, or the one who did is going away."""
    return error.code == "UNAVAILABLE"


def is_not_read(error: SheafError) -> bool:
    """This client was cut because it was busy and took no message for a minute: that is no silence of the cluster."""
    return error.reason == "NOT_READ"


class Outage:
    """How long nobody has answered: from when the connection broke, not from what came last, over which the caller may take minutes."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit, self._begun = limit_seconds, None

    def over(self) -> None:
        self._begun = None

    def is_bearable(self, error: SheafError) -> bool:
        """Whether to go on after this error: nobody was there, and not for too long."""
        if not is_unreachable(error):
            return False
        now = time.monotonic()
        self._begun = now if self._begun is None else self._begun
        return now - self._begun < self._limit


def send_again(
    once: Callable[[], _T], cancel: Cancel | None, transient: Callable[[SheafError], bool] = is_unreachable
) -> _T:
    """For what is sent with a request id, so that sending it again does nothing twice: for 10 s."""
    cancel = cancel or Cancel()
    waits, end = Waits(0.1, 2.0), time.monotonic() + 10.0
    while True:
        cancel.check()
        try:
            return once()
        except SheafError as error:
            wait = max(waits.next(), error.retry_delay or 0.0)
            if not transient(error) or time.monotonic() + wait > end:
                raise
        cancel.sleep(wait)
