/** The four forms of a call over grpc-js. */
import { create, type DescMethod, type Message } from "@bufbuild/protobuf";
import { type Client as GrpcChannel, status as grpcStatus, Metadata, type StatusObject } from "@grpc/grpc-js";
import { type Clock, internal, type SheafError } from "@sheaf/runtime";
import { calledOffError, type OpenCalls, type TrackedCall } from "./connection.ts";
import { fromGrpcStatus } from "./error-grpc.ts";
import { codec } from "./grpc-mount.ts";
import { messageStream, readAll, StreamEnd, writeTo } from "./grpc-stream.ts";
import { pathOf } from "./mount.ts";
import type { CallOptions, CallStream, CloseReason, Fields, MessageStream } from "./types.ts";

/** What the calls of one connection share. */
export interface GrpcCaller {
  readonly channel: GrpcChannel;
  readonly address: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly open: OpenCalls;
}

export function callUnary(
  desc: DescMethod,
  request: Fields,
  options: CallOptions,
  caller: GrpcCaller,
): Promise<Message> {
  const { promise, resolve, reject } = Promise.withResolvers<Message>();
  const call = caller.channel.makeUnaryRequest(
    ...routeOf(desc),
    create(desc.input, request),
    ...settingsOf({ timeoutMs: caller.timeoutMs, ...options }, caller),
    (error, answer) => {
      tracked.forget();
      if (answer !== undefined) resolve(answer as Message);
      else reject(errorOf(error, tracked, options, caller));
    },
  );
  const tracked = caller.open.track(() => call.cancel(), options);
  return promise;
}

export async function callUpload(
  desc: DescMethod,
  requests: AsyncIterable<Fields>,
  options: CallOptions,
  caller: GrpcCaller,
): Promise<Message> {
  const { promise, resolve, reject } = Promise.withResolvers<Message>();
  promise.catch(() => {}); // it may fail while the requests are still read
  const end = new StreamEnd();
  const call = caller.channel.makeClientStreamRequest(
    ...routeOf(desc),
    ...settingsOf(options, caller),
    (error, answer) => {
      tracked.forget();
      if (answer !== undefined) resolve(answer as Message);
      else reject(errorOf(error, tracked, options, caller));
      end.close({ kind: "ended" });
    },
  );
  const tracked = caller.open.track(() => call.cancel(), options);
  call.on("error", () => {}); // the callback tells
  const send = async () => {
    try {
      for await (const request of requests) await writeTo(call, create(desc.input, request), end);
      call.end();
    } catch (error) {
      // Answered already: the answer says why. Else the source failed, and half of it must not count.
      if (end.reason === undefined) {
        call.cancel();
        throw error;
      }
    }
    return promise;
  };
  // A source that has nothing to say must not hold the answer.
  return Promise.race([promise, send()]);
}

export async function* callDownload(desc: DescMethod, request: Fields, options: CallOptions, caller: GrpcCaller) {
  const end = new StreamEnd();
  const over = Promise.withResolvers<StatusObject>();
  const call = caller.channel.makeServerStreamRequest(
    ...routeOf(desc),
    create(desc.input, request),
    ...settingsOf(options, caller),
  );
  const tracked = caller.open.track(() => call.cancel(), options);
  call.on("status", over.resolve);
  call.on("error", () => {}); // `status` tells
  try {
    yield* readAll(call, end);
    const status = await over.promise;
    if (status.code !== grpcStatus.OK) throw errorOf(status, tracked, options, caller);
  } finally {
    tracked.forget();
    call.cancel();
  }
}

export function callBidi(desc: DescMethod, options: CallOptions, caller: GrpcCaller): CallStream<Message, Fields> {
  const end = new StreamEnd();
  const call = caller.channel.makeBidiStreamRequest(...routeOf(desc), ...settingsOf(options, caller));
  const cancel = () => {
    end.close({ kind: "cancelled" });
    call.cancel();
  };
  const tracked = caller.open.track(cancel, options);
  call.on("error", () => {}); // `status` tells
  call.on("status", (status: StatusObject) => {
    tracked.forget();
    end.close(closeReason(status, caller));
  });
  const stream = messageStream(call, end) as MessageStream<Message, Fields>;
  return {
    ...stream,
    write: (fields) => stream.write(create(desc.input, fields)),
    end: () => call.end(),
    cancel,
  };
}

function closeReason(status: StatusObject, { address }: GrpcCaller): CloseReason {
  if (status.code === grpcStatus.OK) return { kind: "ended" };
  const error = fromGrpcStatus(status, address);
  return { kind: error.code === "UNAVAILABLE" ? "lost" : "failed", error };
}

function errorOf(
  status: StatusObject | null,
  tracked: TrackedCall,
  options: CallOptions,
  { address }: GrpcCaller,
): SheafError {
  if (tracked.calledOff()) return calledOffError(options);
  if (status === null) return internal("NO_ANSWER", `${address} ended a call without an answer and without an error`);
  return fromGrpcStatus(status, address);
}

function routeOf(desc: DescMethod) {
  return [pathOf(desc), codec(desc.input).serialize, codec(desc.output).deserialize] as const;
}

function settingsOf({ timeoutMs, headers = {} }: CallOptions, { clock }: GrpcCaller) {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  // grpc-js takes a reading of the wall clock.
  return [metadata, timeoutMs === undefined ? {} : { deadline: Math.ceil(clock.wall() + timeoutMs) }] as const;
}
