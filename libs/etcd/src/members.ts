/**
 * The members of the etcd cluster: one raw client for each address, one of them in use. When a call to it
 * fails, the next one is used (E19, E23): a dead member costs one failed call, not one in three.
 *
 * Of etcd3 only its typed calls are used. What it does on its own is not (its retries ran one transaction twice, its
 * circuit breaker stops lease renewals for 5 s, its pool cuts streams: channel.ts); gRPC's retries are off, and every
 * unary call has a deadline.
 */
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import {
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  credentials,
  InterceptingCall,
  type Interceptor,
} from "@grpc/grpc-js";
import type { Material } from "@sheaf/identity";
import { reloadingCredentials } from "@sheaf/rpc";
import { type Clock, type KeptFiles, parseAddress } from "@sheaf/runtime";
import { KVClient, LeaseClient, MaintenanceClient, WatchClient } from "etcd3";
import { MemberChannel } from "./channel.ts";
import { Trouble } from "./trouble.ts";

/** Who signed etcd's certificates, and who we are to it. Read again when the files change: a connection that begins uses the new ones. */
export type EtcdTls = KeptFiles<Material>;

export interface Member {
  readonly address: string;
  readonly channel: MemberChannel;
  /** etcd's calls, over that channel. */
  readonly raw: {
    readonly kv: KVClient;
    readonly leaseClient: LeaseClient;
    readonly watchClient: WatchClient;
    readonly maintenance: MaintenanceClient;
  };
}

const CHANNEL_OPTIONS: ChannelOptions = {
  // Connections of its own for each client: else a connection that hangs while it is made (gRPC waits for it without
  // limit) is shared by all that come after it.
  "grpc.use_local_subchannel_pool": 1,
  // A page of 500 keys at the hard limit of 64 KiB, and some; the default of 4 MiB is less than 500 x 8 KiB.
  "grpc.max_receive_message_length": 64 * 1024 * 1024,
  // Finds a dead connection. Never below 5 s: etcd answers more pings with GOAWAY too_many_pings.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 3_000,
  "grpc.enable_retries": 0,
  "grpc.service_config_disable_resolution": 1,
  // The default goes up to two minutes; an etcd that comes back is wanted at once.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
};

export class Members {
  readonly addresses: readonly string[];
  /** What those who call the members found. */
  readonly trouble: Trouble;
  readonly #members: readonly Member[];
  #at = 0;

  constructor(addresses: readonly string[], tls: EtcdTls | undefined, clock: Clock) {
    this.trouble = new Trouble(clock);
    this.#members = addresses.map((address) => memberAt(address, tls));
    this.addresses = addresses;
  }

  get all(): readonly Member[] {
    return this.#members;
  }

  current(): Member {
    return this.#members[this.#at % this.#members.length] as Member;
  }

  /** Moves on to the next member, unless somebody else has done so already. */
  failed(member: Member, cause: unknown): void {
    this.trouble.failed(cause);
    if (this.current() === member) this.#at++;
  }

  close(): void {
    for (const { channel } of this.#members) channel.close();
  }
}

/** gRPC wants its deadlines as wall time, and turns them into a duration at once: a jump does no harm. */
export function within(ms: number): CallOptions {
  return { deadline: Date.now() + ms };
}

/**
 * For watch and keep-alive streams: the member ends them when it has no leader. Without it a watch on an
 * isolated member is silent for ever. etcd3's calls take no metadata, hence the interceptor.
 */
export const REQUIRE_LEADER: CallOptions = {
  interceptors: [
    ((options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start(metadata, listener, next) {
          metadata.set("hasleader", "true");
          next(metadata, listener);
        },
      })) satisfies Interceptor,
  ],
};

function memberAt(address: string, tls: EtcdTls | undefined): Member {
  const channel = new MemberChannel(address, ...secured(address, tls));
  const raw = {
    kv: new KVClient(channel),
    leaseClient: new LeaseClient(channel),
    watchClient: new WatchClient(channel),
    maintenance: new MaintenanceClient(channel),
  };
  return { address, channel, raw };
}

/** etcd's members are known by their host names, as etcd itself does it among them. */
function secured(address: string, tls: EtcdTls | undefined): [ChannelCredentials, ChannelOptions] {
  if (tls === undefined) return [credentials.createInsecure(), CHANNEL_OPTIONS];
  const parsed = parseAddress(address);
  const host = "value" in parsed ? parsed.value.host : address;
  // TLS allows no IP address as the name that the server is asked for; the certificate is checked for the address all the same.
  const named = isIP(host) === 0 ? {} : { "grpc.ssl_target_name_override": "etcd" };
  return [
    reloadingCredentials(tls, (certificate) => checkServerIdentity(host, certificate)),
    { ...CHANNEL_OPTIONS, ...named },
  ];
}
