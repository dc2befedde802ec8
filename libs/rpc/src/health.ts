/** grpc.health.v1: whether a service answers. Everything serves once its server listens, and nothing while it drains. */
import { health } from "@sheaf/proto";
import { notFound } from "@sheaf/runtime";
import type { CallContext } from "./handlers.ts";
import { implement, type MountedService } from "./mount.ts";

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = health.HealthCheckResponse_ServingStatus;
type Status = health.HealthCheckResponse_ServingStatus;

/** Watchers of one server at most; more are refused by the limits of its connections. */
export class HealthBoard {
  readonly #status = new Map<string, Status>();
  readonly #watchers = new Set<() => void>();

  /** `services`: full names. The empty name, which stands for the whole server, is added. Nothing serves at first. */
  constructor(services: readonly string[]) {
    for (const name of ["", ...services]) this.#status.set(name, NOT_SERVING);
  }

  /** One service, by its full name, serves or does not. */
  set(service: string, serving: boolean): void {
    this.#status.set(service, serving ? SERVING : NOT_SERVING);
    this.#tell();
  }

  /** All of them. */
  setAll(serving: boolean): void {
    for (const name of this.#status.keys()) this.#status.set(name, serving ? SERVING : NOT_SERVING);
    this.#tell();
  }

  mounted(): MountedService {
    return implement(health.Health, {
      check: async ({ service }) => ({ status: this.#known(service) }),
      watch: ({ service }, context) => this.#watch(service, context),
    });
  }

  #known(service: string): Status {
    const status = this.#status.get(service);
    if (status === undefined) throw notFound("SERVICE_UNKNOWN", `no service "${service}" is served here`);
    return status;
  }

  /** The state now, then every other state: one that was passed through between two sends is not sent. */
  async *#watch(service: string, { signal }: CallContext) {
    let sent: Status | undefined;
    while (!signal.aborted) {
      const changed = this.#nextChange(signal);
      const status = this.#status.get(service) ?? SERVICE_UNKNOWN;
      if (status !== sent) yield { status };
      sent = status;
      await changed;
    }
  }

  #nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#watchers.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#watchers.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #tell(): void {
    for (const wake of [...this.#watchers]) wake();
  }
}
