/** Which process is at the other end of a connection on this machine: the kernel tells it by the socket's inode. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Whether process `pid` holds the connection that has `port` of 127.0.0.1 on its side. False when it is gone. */
export function holdsPort(pid: number, port: number): boolean {
  const inode = inodeOf(port);
  if (inode === undefined) return false;
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`);
  } catch {
    return false; // it is gone
  }
}

const LOOPBACK = "0100007F";

function inodeOf(port: number): string | undefined {
  const local = `${LOOPBACK}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n")) {
    const fields = line.trim().split(/\s+/);
    if (fields[1] === local && fields[9] !== "0") return fields[9];
  }
  return undefined;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // it was closed meanwhile
  }
}
