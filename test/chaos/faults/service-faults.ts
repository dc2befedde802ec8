// Masters and merge replicas are killed, told to stop, and frozen for longer than an owner's lease lives.

import type { Random } from "@sheaf/runtime";
import type { World } from "../world.ts";
import type { Fault } from "./fault.ts";
import { pick, send } from "./fault.ts";

type Kind = "master" | "merge";

function replicaFaults(kind: Kind, rows: { readonly kill: string; readonly freeze: string }): Fault[] {
  return [
    {
      kind: `kill-${kind}`,
      rows: [rows.kill],
      lane: "service",
      weight: 4,
      ms: [100, 8_000],
      begin: ({ world }, random) => down(world, kind, "SIGKILL", random),
    },
    {
      kind: `stop-${kind}`,
      rows: ["F46"],
      lane: "service",
      weight: 1,
      ms: [100, 4_000],
      begin: ({ world }, random) => down(world, kind, "SIGTERM", random),
    },
    {
      kind: `freeze-${kind}`,
      rows: [rows.freeze],
      lane: "service",
      weight: 2,
      // The owner's lease lives for 5 s.
      ms: [3_000, 10_000],
      begin({ world }, random) {
        const service = pick(of(world, kind), random)?.service;
        if (service === undefined || !service.runs) return null;
        service.signal("SIGSTOP");
        return { target: service.name, end: () => service.signal("SIGCONT") };
      },
    },
  ];
}

function of(world: World, kind: Kind) {
  return world.replicas.filter(({ service }) => service.kind === kind);
}

async function down(world: World, kind: Kind, signal: "SIGKILL" | "SIGTERM", random: Random) {
  const replica = pick(of(world, kind), random);
  if (replica === undefined || !replica.service.runs) return null;
  const { service, dispatch } = replica;
  await service.end(signal);
  return { target: service.name, facts: { address: dispatch.address }, end: () => service.start() };
}

export const SERVICE_FAULTS: readonly Fault[] = [
  ...replicaFaults("master", { kill: "F8", freeze: "F9" }),
  ...replicaFaults("merge", { kill: "F11", freeze: "F9" }),
  {
    kind: "kill-everything",
    rows: ["F51"],
    lane: "service",
    weight: 1,
    ms: [500, 2_000],
    async begin({ world }) {
      const workers = world.workers();
      for (const { pid } of workers) send(pid, "SIGKILL");
      await Promise.all([
        ...world.replicas.map(({ service }) => service.end("SIGKILL")),
        ...world.members.map((member) => member.end("SIGKILL")),
      ]);
      const end = () => {
        for (const member of world.members) member.start();
        world.startServices();
      };
      return { target: "every process", facts: { workers }, end };
    },
  },
];
