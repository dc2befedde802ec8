// What the tests of slots and launchers share: slots in a folder that goes with the test, and a look at what lives.

import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { type Clock, systemClock, systemRandom } from "@sheaf/runtime";
import { GivenFolders } from "../scratch/given-folders.ts";
import { findCgroups, type Limits, SlotCgroup } from "./cgroups.ts";
import type { Stream } from "./launcher.ts";
import { LocalCarriers } from "./local-carrier.ts";
import { type Ended, type Run, Slot } from "./slot.ts";

/** How a command ended that exited. */
export const exited = (status: number) => ({ kind: "exited", status, why: "" }) as const;

export const root = mkdtempSync(join(tmpdir(), "sheaf-slot-test-"));
after(() => rmSync(root, { recursive: true }));

interface Result {
  readonly ended: Ended;
  readonly stdout: string;
  readonly stderr: string;
}

interface Wanted {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly timeoutMs?: number;
  readonly workingDir?: string;
  readonly folder?: string;
  readonly limits?: Limits;
  readonly onStarted?: (run: Run) => void;
}

export const PATH = process.env.PATH ?? "";
let slots = 0;
export const place = findCgroups();

/** A slot, and a function that runs a command in it. */
export async function openSlot(graceMs = 5_000, path = PATH, clock: Clock = systemClock) {
  const folder = join(root, String(slots++));
  const data = join(folder, "data");
  mkdirSync(data, { recursive: true });
  const given = new GivenFolders(join(folder, "given"), systemRandom);
  const cgroup = place && new SlotCgroup(place, `test-${process.pid}-${slots}`);
  const isRoot = process.getuid?.() === 0;
  const troubles: string[] = [];
  const queue: Run[] = [];
  const slot = new Slot({
    folder,
    carriers: new LocalCarriers({ given: given.root, env: { PATH: path }, isRoot, cgroup }),
    cgroup,
    clock,
    graceMs,
    next: () => queue.shift(),
    onTrouble: (detail) => troubles.push(detail),
    onFailed: (detail) => troubles.push(`failed: ${detail}`),
  });
  const isolation = await slot.start();
  const run = (wanted: Wanted): Promise<Result> => {
    const stdin = join(folder, "stdin");
    if (wanted.stdin !== undefined) writeFileSync(stdin, wanted.stdin);
    const text = { stdout: "", stderr: "" };
    return new Promise((resolve) => {
      const run: Run = {
        command: {
          folder: wanted.folder ?? data,
          inputs: [],
          workingDir: wanted.workingDir ?? "",
          argv: wanted.argv,
          limits: wanted.limits ?? {},
          env: new Map(Object.entries(wanted.env ?? {})),
          stdin: wanted.stdin === undefined ? "/dev/null" : stdin,
        },
        timeoutMs: wanted.timeoutMs,
        started: () => wanted.onStarted?.(run),
        exited: () => {},
        output: (stream: Stream, bytes) => {
          text[stream] += bytes.toString();
        },
        ended: (ended) => resolve({ ended, ...text }),
      };
      queue.push(run);
      slot.poke();
    });
  };
  return { slot, run, data, isolation, troubles, [Symbol.dispose]: () => slot.close() };
}

/** Processes whose command line holds the text. */
export function alive(text: string): number {
  let count = 0;
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      if (readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(text)) count++;
    } catch {
      // It has just ended.
    }
  }
  return count;
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await systemClock.sleep(10);
}

/** A PATH without unshare and setpriv. Programs may be replaced by scripts. */
export function poorPath(scripts: Readonly<Record<string, string>> = {}): string {
  const bin = mkdtempSync(join(root, "bin-"));
  for (const name of ["sh", "sleep", "setsid", "env", "true", "echo", "mkfifo", "cat"]) {
    const script = scripts[name];
    if (script === undefined) symlinkSync(programOf(name), join(bin, name));
    else writeFileSync(join(bin, name), script, { mode: 0o755 });
  }
  return bin;
}

/** A PATH like that, where a command takes its time to leave the group of its launcher. */
export function slowPath(): string {
  return poorPath({ setsid: `#!/bin/sh\n${programOf("sleep")} 0.2\nexec ${programOf("setsid")} "$@"\n` });
}

/** The PATH with another program for `sh` in front; undefined where that is not installed. */
export function pathWithShell(name: string): string | undefined {
  const program = findProgram(name);
  if (program === undefined) return undefined;
  const bin = mkdtempSync(join(root, "bin-"));
  symlinkSync(program, join(bin, "sh"));
  return `${bin}:${PATH}`;
}

function programOf(name: string): string {
  const program = findProgram(name);
  assert(program !== undefined, `${name} is not in the PATH`);
  return program;
}

function findProgram(name: string): string | undefined {
  return PATH.split(":")
    .map((folder) => join(folder, name))
    .find(existsSync);
}
