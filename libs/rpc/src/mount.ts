/** A service with its handlers, as both servers take it: checked by the compiler once, here, then plain data. */
import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import { unimplemented } from "@sheaf/runtime";
import type { CallContext, Handlers } from "./handlers.ts";
import type { Fields, MessageStream } from "./types.ts";

/** A handler without its message types. */
export type AnyHandler =
  | {
      readonly kind: "unary";
      readonly fn: (request: Message, context: CallContext) => Promise<Fields>;
    }
  | {
      readonly kind: "server_streaming";
      readonly fn: (request: Message, context: CallContext) => AsyncIterable<Fields>;
    }
  | {
      readonly kind: "client_streaming";
      readonly fn: (requests: AsyncIterable<Message>, context: CallContext) => Promise<Fields>;
    }
  | {
      readonly kind: "bidi_streaming";
      readonly fn: (stream: MessageStream<Message, Fields>, context: CallContext) => Promise<void>;
    };

export interface MountedMethod {
  readonly desc: DescMethod;
  /** "/package.Service/Method". */
  readonly path: string;
  readonly handler: AnyHandler;
}

export interface MountedService {
  readonly service: DescService;
  readonly methods: readonly MountedMethod[];
}

/** Pairs a service with its handlers. A method of a class instance is called with the instance as `this`. */
export function implement<S extends DescService>(service: S, handlers: Handlers<S>): MountedService {
  const byName = handlers as Readonly<Record<string, ((...args: never[]) => unknown) | undefined>>;
  const methods = service.methods.map((desc): MountedMethod => {
    const fn = byName[desc.localName]?.bind(handlers) ?? (() => refuse(desc));
    return { desc, path: pathOf(desc), handler: { kind: desc.methodKind, fn } as AnyHandler };
  });
  return { service, methods };
}

function refuse({ name }: DescMethod): never {
  throw unimplemented("RPC_UNIMPLEMENTED", `${name} is not implemented in this version`);
}

/** "/package.Service/Method". */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}
