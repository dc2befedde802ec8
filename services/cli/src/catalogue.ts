/** The commands by name. A command's own file is loaded only when it is called: help must not wait for what it does not need. */
import type { Command } from "commander";
import type { Session } from "./session.ts";

export interface Entry {
  readonly name: string;
  readonly summary: string;
  /** Adds the command to the program. */
  readonly load: () => Promise<(program: Command, session: Session) => void>;
}

export const catalogue: readonly Entry[] = [
  {
    name: "run",
    summary: "Run one command over the files of a folder, and get the merged result.",
    load: async () => (await import("./commands/run.ts")).defineRun,
  },
  {
    name: "dev",
    summary: "Run a cluster on this machine until Ctrl-C.",
    load: async () => (await import("./commands/dev.ts")).defineDev,
  },
  {
    name: "repo",
    summary: "Named, versioned trees of files.",
    load: async () => (await import("./commands/repo.ts")).defineRepo,
  },
  {
    name: "branch",
    summary: "Branches of repos: names of newest commits.",
    load: async () => (await import("./commands/branch.ts")).defineBranch,
  },
  {
    name: "commit",
    summary: "Commits: trees of files that never change.",
    load: async () => (await import("./commands/commit.ts")).defineCommit,
  },
  {
    name: "file",
    summary: "Files of commits: put, get, list.",
    load: async () => (await import("./commands/file.ts")).defineFile,
  },
  {
    name: "pipeline",
    summary: "What to run on which data.",
    load: async () => (await import("./commands/pipeline.ts")).definePipeline,
  },
  {
    name: "job",
    summary: "Runs of pipelines over pinned commits.",
    load: async () => (await import("./commands/job.ts")).defineJob,
  },
  {
    name: "datum",
    summary: "Datums of jobs, and what their commands wrote.",
    load: async () => (await import("./commands/datum.ts")).defineDatum,
  },
  {
    name: "worker",
    summary: "Workers that are connected.",
    load: async () => (await import("./commands/worker.ts")).defineWorker,
  },
  {
    name: "cluster",
    summary: "The cluster and its services.",
    load: async () => (await import("./commands/cluster.ts")).defineCluster,
  },
  {
    name: "token",
    summary: "Tokens of the public API.",
    load: async () => (await import("./commands/token.ts")).defineToken,
  },
  {
    name: "certificates",
    summary: "Make the certificates of a cluster that speaks TLS.",
    load: async () => (await import("./commands/certificates.ts")).defineCertificates,
  },
];
