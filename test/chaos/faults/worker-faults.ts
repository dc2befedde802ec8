// Workers are killed, frozen for longer than their leases live, and cut off from their owners.

import { holdsPort } from "../world.ts";
import type { Fault } from "./fault.ts";
import { pick, send } from "./fault.ts";

export const WORKER_FAULTS: readonly Fault[] = [
  {
    kind: "kill-worker",
    rows: ["F1"],
    lane: "worker",
    weight: 6,
    ms: [0, 0],
    begin({ world }, random) {
      const victim = pick(world.workers(), random);
      return victim && kill(victim.pid) ? { target: `worker ${victim.id}`, facts: { workers: [victim] } } : null;
    },
  },
  {
    kind: "kill-all-workers",
    rows: ["F2"],
    lane: "worker",
    weight: 1,
    ms: [0, 0],
    begin({ world }) {
      const victims = world.workers().filter(({ pid }) => kill(pid));
      return victims.length === 0 ? null : { target: `${victims.length} workers`, facts: { workers: victims } };
    },
  },
  {
    kind: "freeze-worker",
    rows: ["F3", "F7"],
    lane: "worker",
    weight: 2,
    // Shorter than the 5 s of silence, and longer than the 15 s of a session's lease.
    ms: [2_000, 18_000],
    begin({ world }, random) {
      const victim = pick(world.workers(), random);
      if (victim === undefined || !send(victim.pid, "SIGSTOP")) return null;
      return {
        target: `worker ${victim.id}`,
        facts: { workers: [victim] },
        end: () => void send(victim.pid, "SIGCONT"),
      };
    },
  },
  {
    kind: "cut-off-worker",
    rows: ["F18", "F24"],
    lane: "worker",
    weight: 2,
    ms: [2_000, 12_000],
    async begin({ world }, random) {
      const victim = pick(world.workers(), random);
      if (victim === undefined) return null;
      const its = (port: number) => holdsPort(victim.pid, port);
      await Promise.all(world.replicas.map(({ dispatch }) => dispatch.set("black-hole", its)));
      return {
        target: `worker ${victim.id} from all its owners`,
        facts: { workers: [victim] },
        end: async () => void (await Promise.all(world.replicas.map(({ dispatch }) => dispatch.set("pass")))),
      };
    },
  },
];

function kill(pid: number): boolean {
  return send(pid, "SIGKILL");
}
