/** The layer that changes least: Node with the libraries that it is linked with, busybox, and the few files that programs look for. */
import { execFileSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { loader } from "./elf.ts";
import { copy, type Entry, folder, link, text } from "./entry.ts";

/** Who the image's programs are unless a pod says otherwise. Not root: nothing in the image is written. */
export const USER = 65532;

export function base({ node, busybox }: { node: string; busybox: string }): Entry[] {
  return [
    copy("usr/local/bin/node", node, 0o755),
    ...libraries(node),
    copy("bin/busybox", busybox, 0o755),
    ...applets(busybox).map((name) => link(`bin/${name}`, "busybox")),
    text("etc/passwd", `root:x:0:0:root:/root:/bin/sh\nsheaf:x:${USER}:${USER}:sheaf:/tmp:/bin/sh\n`),
    text("etc/group", `root:x:0:\nsheaf:x:${USER}:\n`),
    // Node carries the authorities that it trusts; other programs look here.
    text("etc/ssl/certs/ca-certificates.crt", run(node, "-p", 'require("tls").rootCertificates.join("\\n")')),
    ...["dev", "proc", "sys", "root", "usr/bin"].map((path) => folder(path)),
    ...["tmp", "var/tmp"].map((path) => folder(path, 0o1777)),
  ];
}

/** Where this machine has them is where they are looked for. */
function libraries(program: string): Entry[] {
  const files = [...run("ldd", program).matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, file = ""]) => file);
  if (loader(program) === undefined || files.length === 0)
    throw new Error(`${program} is no dynamic program: ldd names no library of it`);
  return files.map((file) => copy(file.slice(1), realpathSync(file), 0o755));
}

function applets(busybox: string): string[] {
  return run(busybox, "--list")
    .split("\n")
    .filter((name) => name !== "" && name !== "busybox");
}

function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: "utf8" });
}
