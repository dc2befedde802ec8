// Where etcd comes from: the first of these that works. What is too old or broken is named, and the next one is tried.
import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { cached, obtain, platform } from "../cache.js";
import { remedyOf, say, Trouble, timed } from "../say.js";
import { BUILT_VERSION, build, etcdCannotBeBuilt } from "./build.js";
import { CRATE_VERSION, cargoCannot, fetchCrate } from "./crate.js";
import { GOOD_VERSIONS, isGood, versionOf } from "./version.js";

const PROGRAM = "etcd";
const MAKERS = [
  {
    from: "cargo",
    version: CRATE_VERSION,
    cannot: cargoCannot,
    doing: `fetching etcd ${CRATE_VERSION} with cargo`,
    make: fetchCrate,
  },
  {
    from: "Go",
    version: BUILT_VERSION,
    cannot: etcdCannotBeBuilt,
    doing: `building etcd ${BUILT_VERSION} with Go (about a minute)`,
    make: build,
  },
];

/**
 * The path of an etcd that is good enough. With `quiet`, an unfit one on the PATH is named only when no other is at hand: a user
 * who has one for something else should not read of it at every command.
 */
export async function etcd({ quiet }) {
  const refused = [];
  const refuse = (why) => {
    refused.push(why);
    say(`${why}; trying the next source`);
  };
  const unfit = [];
  const atHand = (await named(refuse)) ?? (await onPath(quiet ? (why) => unfit.push(why) : refuse)) ?? fromCache();
  if (atHand) return atHand;
  unfit.forEach(refuse);
  return await made(refuse, refused);
}

/** The one that the user names. */
async function named(refuse) {
  const file = process.env.SHEAF_ETCD_BIN;
  return file ? await usable(resolve(file), `SHEAF_ETCD_BIN=${file}`, refuse) : undefined;
}

async function onPath(refuse) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(folder, PROGRAM);
    if (!isAbsolute(folder) || !existsSync(file)) continue;
    const found = await usable(file, `etcd on the PATH (${file})`, refuse);
    if (found) return found;
  }
  return undefined;
}

async function usable(file, called, refuse) {
  const { version, fault } = await versionOf(file);
  if (version && isGood(version)) return file;
  refuse(
    fault
      ? `${called} cannot be used: ${fault}`
      : `${called} is version ${version}, which is too old (good: ${GOOD_VERSIONS})`,
  );
  return undefined;
}

const folderOf = (maker) => `etcd-${maker.version}-${platform}`;

function fromCache() {
  for (const maker of MAKERS) {
    const file = cached(folderOf(maker), PROGRAM);
    if (file) return file;
  }
  return undefined;
}

async function made(refuse, refused) {
  for (const maker of MAKERS) {
    const reason = await maker.cannot();
    if (reason) {
      refused.push(`from ${maker.from}: ${reason}`);
      continue;
    }
    try {
      return await timed(
        maker.doing,
        (file) => `etcd ${maker.version} is at ${file}`,
        () => obtain(folderOf(maker), PROGRAM, maker.make),
      );
    } catch (error) {
      // A full disk or a folder that cannot be written stops every source alike.
      if (error instanceof Trouble || remedyOf(error)) throw error;
      refuse(`etcd could not be had from ${maker.from}: ${error.message}`);
    }
  }
  throw new Trouble(
    `there is no etcd that Sheaf can use. Tried:\n${refused.map((line) => `    - ${line}`).join("\n")}`,
    [
      "do one of these, then run again:",
      `- install etcd, ${GOOD_VERSIONS}, and put it on the PATH or name it in SHEAF_ETCD_BIN;`,
      "- or install cargo, which can fetch it;",
      "- or install Go >= 1.26, which can build it.",
    ].join("\n"),
  );
}
