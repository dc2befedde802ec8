/**
 * The connection to one member, in place of etcd3's own pool. That one closes all channels of a host whenever one of its calls
 * fails, and also when one of its streams is cancelled: calls that were about to begin die of it, and streams that were open, of
 * their next keepalive ping, which a closing HTTP/2 session refuses. So each watch that was closed cut all others.
 *
 * N1. All services of a member share one connection. It is replaced when a call or a stream on it came to nothing (no connection,
 *     no answer in time): it may be dead, and the kernel would take minutes to say so.
 * N2. A connection that is replaced is left to what still runs on it, and closes when that has ended: one call that is late
 *     must not take the renewals of leases with it.
 */
import { createRequire } from "node:module";
import {
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  type Client,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { ICallable } from "etcd3";
import { cameFromEtcd, statusCodeOf } from "./faults.ts";

type ServiceName = Parameters<ICallable<unknown>["exec"]>[0];
type Unary = (
  request: unknown,
  metadata: Metadata,
  options: CallOptions,
  done: (error: ServiceError | null, answer?: unknown) => void,
) => void;

/** etcd's own contract, as etcd3 ships it, read as etcd3 reads it: its request and response types hold. */
const SERVICES = loadPackageDefinition(
  loadSync(createRequire(import.meta.url).resolve("etcd3/proto/rpc.proto"), {
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  }),
)["etcdserverpb"] as unknown as Record<string, ServiceClientConstructor>;

const UNAVAILABLE = 14;
const DEADLINE_EXCEEDED = 4;

/** One HTTP/2 connection, with a client for each service on it. */
class Connection {
  readonly #make: (service: ServiceName, over: ChannelOptions) => Client;
  readonly #clients = new Map<ServiceName, Client>();
  #running = 0;
  #replaced = false;

  constructor(address: string, credentials: ChannelCredentials, options: ChannelOptions) {
    this.#make = (service, over) => {
      const Service = SERVICES[service] as ServiceClientConstructor;
      return new Service(address, credentials, { ...options, ...over });
    };
  }

  client(service: ServiceName): Client {
    let client = this.#clients.get(service);
    if (client === undefined) {
      const [first] = this.#clients.values();
      client = this.#make(service, first === undefined ? {} : { channelOverride: first.getChannel() });
      this.#clients.set(service, client);
    }
    return client;
  }

  began(): void {
    this.#running++;
  }

  ended(): void {
    this.#running--;
    this.#closeWhenIdle();
  }

  /** N2. */
  replaced(): void {
    this.#replaced = true;
    this.#closeWhenIdle();
  }

  close(): void {
    const [first] = this.#clients.values();
    first?.getChannel().close();
  }

  #closeWhenIdle(): void {
    if (this.#replaced && this.#running === 0) this.close();
  }
}

/** What stands for a connection to those who have a stream on it. */
export type Link = Connection;

export class MemberChannel implements ICallable<Link> {
  readonly callOptionsFactory = undefined;
  readonly #connect: () => Connection;
  readonly #open = new Set<Connection>();
  #current: Connection;
  #closed = false;

  constructor(address: string, credentials: ChannelCredentials, options: ChannelOptions) {
    this.#connect = () => {
      const connection = new Connection(address, credentials, options);
      this.#open.add(connection);
      return connection;
    };
    this.#current = this.#connect();
  }

  /** The connection that the next call goes over. */
  get link(): Link {
    return this.#current;
  }

  /** N1. Without effect when it was replaced already. */
  replace(link: Link): void {
    if (link !== this.#current || this.#closed) return;
    this.#current = this.#connect();
    this.#open.delete(link);
    link.replaced();
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#open) connection.close();
  }

  exec<T>(service: ServiceName, method: string, request: unknown, options: CallOptions = {}): Promise<T> {
    const link = this.#current;
    const client = link.client(service) as unknown as Record<string, Unary>;
    link.began();
    return new Promise<T>((resolve, reject) => {
      client[method]?.(request, new Metadata(), options, (error, answer) => {
        link.ended();
        if (error === null) return resolve(answer as T);
        this.markFailed(link, error);
        reject(error);
      });
    });
  }

  /** For streams: `open` makes one. */
  async withConnection<R>(
    service: ServiceName,
    open: (on: { resource: Link; client: Client; metadata: Metadata }) => Promise<R> | R,
  ): Promise<R> {
    const link = this.#current;
    link.began();
    try {
      const stream = await open({ resource: link, client: link.client(service), metadata: new Metadata() });
      // gRPC's streams have a status at their end, whatever ended them.
      (stream as { once(event: "status", done: () => void): void }).once("status", () => link.ended());
      return stream;
    } catch (error) {
      link.ended();
      throw error;
    }
  }

  markFailed(link: Link, error: Error): void {
    const code = statusCodeOf(error);
    const isLost = code === UNAVAILABLE || code === DEADLINE_EXCEEDED;
    if (isLost && !cameFromEtcd(error)) this.replace(link);
  }
}
