/** Mounts handlers for protobuf-es services on a server of grpc-js. */
import { create, type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Server,
  ServerErrorResponse,
  ServiceDefinition,
  UntypedHandleCall,
} from "@grpc/grpc-js";
import { type Peer, peerOf } from "@sheaf/identity";
import { cancelled, internal, SheafError } from "@sheaf/runtime";
import { toGrpcStatus } from "./error-grpc.ts";
import { outgoing } from "./errors.ts";
import { messageStream, StreamEnd, writeTo } from "./grpc-stream.ts";
import { type CallRules, type Origin, runBidi, runDownload, runUnary } from "./invoke.ts";
import type { MountedMethod, MountedService } from "./mount.ts";
import type { Fields, MessageStream } from "./types.ts";

export function mountGrpc(server: Server, { methods }: MountedService, rules: CallRules): void {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const handlers: Record<string, UntypedHandleCall> = {};
  for (const method of methods) {
    definition[method.desc.localName] = methodDefinition(method);
    handlers[method.desc.localName] = handlerOf(method, rules);
  }
  server.addService(definition, handlers);
}

export interface Codec {
  readonly serialize: (message: unknown) => Buffer;
  readonly deserialize: (bytes: Buffer) => Message;
}

/** A view over the encoded bytes, not a copy. */
export function codec(desc: DescMessage): Codec {
  return {
    serialize: (message) => {
      const bytes = toBinary(desc, message as Message);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    deserialize: (bytes) => fromBinary(desc, bytes),
  };
}

function methodDefinition({ desc, path }: MountedMethod): ServiceDefinition[string] {
  const input = codec(desc.input);
  const output = codec(desc.output);
  return {
    path,
    requestStream: desc.methodKind === "client_streaming" || desc.methodKind === "bidi_streaming",
    responseStream: desc.methodKind === "server_streaming" || desc.methodKind === "bidi_streaming",
    requestSerialize: input.serialize,
    requestDeserialize: input.deserialize,
    responseSerialize: output.serialize,
    responseDeserialize: output.deserialize,
  };
}

function handlerOf(method: MountedMethod, rules: CallRules): UntypedHandleCall {
  switch (method.handler.kind) {
    case "unary":
      return unary(method, method.handler.fn, rules);
    case "server_streaming":
      return download(method, method.handler.fn, rules);
    case "client_streaming":
      // grpc-js takes a stream that was reset for one that ended: half an upload would look like a whole one.
      throw internal("UPLOAD_OVER_GRPC_JS", `${method.path}: uploads are served by the public port only`);
    case "bidi_streaming":
      return bidi(method, method.handler.fn, rules);
  }
}

function unary(
  method: MountedMethod,
  fn: Parameters<typeof runUnary>[1],
  rules: CallRules,
): handleUnaryCall<Message, Message> {
  return (call, callback) => {
    void runUnary(method, fn, call.request, originOf(call, rules), rules).then(
      (answer) => callback(null, answer),
      (error: unknown) => callback(statusOf(error, method, rules)),
    );
  };
}

function download(
  method: MountedMethod,
  fn: Parameters<typeof runDownload>[1],
  rules: CallRules,
): handleServerStreamingCall<Message, Message> {
  return async (call) => {
    const end = new StreamEnd();
    const origin = originOf(call, rules, end);
    try {
      for await (const answer of runDownload(method, fn, call.request, origin, rules)) await writeTo(call, answer, end);
      call.end();
    } catch (error) {
      if (!call.cancelled) call.emit("error", statusOf(error, method, rules));
    }
  };
}

function bidi(
  method: MountedMethod,
  fn: Parameters<typeof runBidi>[1],
  rules: CallRules,
): handleBidiStreamingCall<Message, Message> {
  return async (call) => {
    const end = new StreamEnd();
    const stream = messageStream(call, end) as MessageStream<Message, Fields>;
    const origin = originOf(call, rules, end);
    try {
      await runBidi(method, fn, withMessages(stream, method), origin, rules);
      end.close({ kind: "ended" });
      call.end();
    } catch (error) {
      const status = statusOf(error, method, rules);
      end.close({ kind: "cancelled" });
      if (!call.cancelled) call.emit("error", status);
    }
  };
}

/** Lets a handler write the fields of a message: grpc-js would serialise them later, where an error has no home. */
function withMessages(stream: MessageStream<Message, Fields>, { desc }: MountedMethod): MessageStream<Message, Fields> {
  return { ...stream, write: (fields) => stream.write(create(desc.output, fields)) };
}

interface AnyCall {
  getAuthContext(): { readonly sslPeerCertificate?: { readonly subjectaltname?: string } };
  readonly metadata: { get(name: string): (string | Buffer)[] };
  getDeadline(): Date | number;
  on(event: "cancelled", fn: () => void): unknown;
}

function originOf(call: AnyCall, rules: CallRules, end?: StreamEnd): Origin {
  const gone = new AbortController();
  call.on("cancelled", () => {
    const error = cancelled("CALLER_GONE", "the caller went away or called it off");
    end?.close({ kind: "lost", error });
    gone.abort(error);
  });
  // grpc-js gives a reading of the wall clock, or Infinity for none.
  const deadline = Number(call.getDeadline());
  return {
    gone: gone.signal,
    timeoutMs: Number.isFinite(deadline) ? Math.max(0, deadline - rules.clock.wall()) : undefined,
    header: (name) => call.metadata.get(name)[0]?.toString(),
    peer: peerOfCall(call),
    cut: () => gone.abort(cancelled("CALLER_CUT", "the caller does not read")),
  };
}

function peerOfCall(call: AnyCall): Peer | undefined {
  const parsed = peerOf(call.getAuthContext().sslPeerCertificate?.subjectaltname);
  return "value" in parsed ? parsed.value : undefined;
}

function statusOf(error: unknown, { path }: MountedMethod, rules: CallRules): ServerErrorResponse {
  const known = error instanceof SheafError ? error : outgoing(error, path, rules);
  const status = toGrpcStatus(known);
  return Object.assign(new Error(status.details), status);
}
