// One set-up at a time in one folder. A lock is a file that names its owner; the lock of a process that no longer runs is taken over.
import { closeSync, openSync, readFileSync, readlinkSync, renameSync, statSync, unlinkSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { killGroup, processStat } from "./child.js";
import { say } from "./say.js";

const POLL_MS = 100;
/** A lock whose owner cannot be looked at (another host, a container, a file cut short) is believed this long. */
const BLIND_MS = { foreign: 15 * 60_000, unreadable: 5_000, guard: 10_000 };
const held = new Map();

/**
 * Does `work` while holding `file`. `work` receives `adopt(pid)`: a child (the leader of its process group) that goes on writing when
 * this process is killed holds the lock as well, because a second set-up beside it would break both. Who takes over ends it first.
 */
export async function withLock(file, work) {
  const owner = { ...identity(process.pid), children: [] };
  await acquire(file, owner);
  held.set(file, JSON.stringify(owner));
  try {
    return await work((pid) => {
      owner.children.push(identity(pid));
      rewrite(file, JSON.stringify(owner));
    });
  } finally {
    release(file);
  }
}

/** Gives back every lock, at once: for a process that is about to end. */
export function releaseLocks() {
  for (const file of [...held.keys()]) release(file);
}

async function acquire(file, owner) {
  for (let waited = 0; !create(file, JSON.stringify(owner)); waited += POLL_MS) {
    const seen = look(file);
    if (seen === undefined) continue; // It was given back in between.
    if (seen.stale && takeAway(file, seen.text)) continue;
    endOrphans(seen.orphans);
    await sleep(POLL_MS);
    if (waited === 1000) say(`waiting for another set-up to end (process ${seen.pid ?? "unknown"}, ${file})`);
  }
}

function release(file) {
  const text = held.get(file);
  held.delete(file);
  if (look(file)?.text === text) unlinkIfThere(file);
}

/** What a lock says, and whether anybody still holds it. */
function look(file) {
  let text;
  let age;
  try {
    text = readFileSync(file, "utf8");
    age = Date.now() - statSync(file).mtimeMs;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
  let owner;
  try {
    owner = JSON.parse(text);
  } catch {
    return { text, stale: age > BLIND_MS.unreadable };
  }
  if (owner.host !== host()) return { text, pid: owner.pid, stale: age > BLIND_MS.foreign };
  const orphans = lives(owner) ? [] : owner.children.filter(lives);
  return { text, pid: owner.pid, orphans, stale: !lives(owner) && orphans.length === 0 };
}

/** Ends what a killed set-up left running. Only what is surely the process that the lock means: its start time is the same. */
function endOrphans(orphans = []) {
  for (const { pid, began } of orphans) if (began !== undefined) killGroup(pid);
}

/** Removes a stale lock, and only the one that was seen: a guard keeps out others who saw the same one. False: it is another's turn. */
function takeAway(file, text) {
  const guard = `${file}.takeover`;
  if (!create(guard, String(process.pid))) {
    const age = Date.now() - (statSync(guard, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > BLIND_MS.guard) unlinkIfThere(guard);
    return false;
  }
  try {
    if (look(file)?.text === text) unlinkIfThere(file);
    return true;
  } finally {
    unlinkIfThere(guard);
  }
}

function create(file, text) {
  let descriptor;
  try {
    descriptor = openSync(file, "wx");
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
  try {
    writeSync(descriptor, text);
  } catch (error) {
    unlinkSync(file); // A full disk must not leave a lock that names nobody.
    throw error;
  } finally {
    closeSync(descriptor);
  }
  return true;
}

function rewrite(file, text) {
  const draft = `${file}.${process.pid}`;
  unlinkIfThere(draft);
  create(draft, text);
  renameSync(draft, file);
  held.set(file, text);
}

function unlinkIfThere(file) {
  try {
    unlinkSync(file);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}

/** A process by more than its number, because numbers are used again: where it runs and when it began. */
function identity(pid) {
  return { pid, host: host(), began: processStat(pid)?.began };
}

function lives({ pid, began }) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === "ESRCH") return false;
  }
  const now = processStat(pid);
  if (now === undefined) return true; // No /proc here: believe the number.
  return now.state !== "Z" && (began === undefined || now.began === began);
}

function host() {
  try {
    return `${hostname()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname();
  }
}
