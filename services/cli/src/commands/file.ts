/** `sheaf file`. */
import { realpathSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { PutFolderResult } from "@sheaf/client";
import { enumWord } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { invalidArgument } from "@sheaf/runtime";
import type { Command } from "commander";
import { action, type Call, leaf, noun } from "../action.ts";
import { bytes, count, counted } from "../output/numbers.ts";
import { Progress } from "../output/progress.ts";
import { type Columns, say, showOne, showRows } from "../output/show.ts";
import { type FileRef, parseCommitRef, parseFileRef } from "../refs.ts";
import type { Session } from "../session.ts";

const COLUMNS: Columns<api.File> = {
  KIND: ({ kind }) => enumWord(api.FileKindSchema, kind),
  FILES: ({ files }) => count(files),
  SIZE: (file) => bytes(file.bytes),
  PATH: ({ path }) => path,
};

const FIELDS: Columns<api.File> = {
  path: ({ path }) => path,
  kind: ({ kind, executable }) => `${enumWord(api.FileKindSchema, kind)}${executable ? ", executable" : ""}`,
  size: (file) => `${bytes(file.bytes)} (${file.bytes} bytes)`,
  files: ({ files }) => count(files),
  hash: ({ hash }) => hash,
};

export function defineFile(program: Command, session: Session): void {
  const file = noun(program, "file", "Files of commits.");
  defineWrites(file, session);
  defineReads(file, session);
}

interface PutFlags {
  readonly recursive?: string;
  readonly description?: string;
}

function defineWrites(file: Command, session: Session): void {
  leaf(file, {
    usage: "put <repo@branch[:/path]> [files...]",
    summary: "Puts files, or a folder with all in it, as one commit on a branch. Links in a folder are not followed.",
    examples: ["sheaf file put logs@master -r ./logs", "sheaf file put logs@master:/2026 july.log august.log"],
  })
    .option("-r, --recursive <dir>", "all files under this folder")
    .option("--description <text>", "text of the commit")
    .action(action<PutFlags, [string, string[]]>(session, put));
  leaf(file, {
    usage: "delete <repo@branch[:/path]> [paths...]",
    summary: "Deletes files, or folders with all in them, as one commit on a branch.",
    examples: ["sheaf file delete logs@master:/2025", "sheaf file delete logs@master /2025 /2026/july.log"],
  }).action(action<object, [string, string[]]>(session, (call, _, name, paths) => remove(call, name, paths)));
}

function defineReads(file: Command, session: Session): void {
  leaf(file, {
    usage: "get <repo@ref:/path>",
    summary: "Gets a file, or a folder with all in it.",
    examples: ["sheaf file get status-codes@master:/status -o -", "sheaf file get thumbs@master:/ -o ./thumbs"],
  })
    .requiredOption("-o, --output <target>", "a file, a folder, or - for standard output")
    .action(action<{ output: string }, [string]>(session, get));
  leaf(file, {
    usage: "list <repo@ref[:/path]>",
    summary: "Lists what a folder holds.",
    examples: ["sheaf file list logs@master", "sheaf file list logs@master:/2026"],
  }).action(
    action<object, [string]>(session, async (call, _, name) => {
      const { path, ...commit } = parseFileRef(name);
      const client = await call.connect();
      await showRows(call, api.FileSchema, client.files({ commit, path }), COLUMNS);
    }),
  );
  leaf(file, {
    usage: "glob <repo@ref> <pattern>",
    summary: "Lists what a glob matches: the paths that would be datums.",
    examples: ["sheaf file glob logs@master '/**/*.log'"],
  }).action(
    action<object, [string, string]>(session, async (call, _, name, glob) => {
      const commit = parseCommitRef(name);
      const client = await call.connect();
      await showRows(call, api.FileSchema, client.globFiles({ commit, glob }), COLUMNS);
    }),
  );
  leaf(file, {
    usage: "inspect <repo@ref:/path>",
    summary: "Shows a file or a folder.",
    examples: ["sheaf file inspect logs@master:/2026/july.log"],
  }).action(
    action<object, [string]>(session, async (call, _, name) => {
      const { path, ...commit } = parseFileRef(name);
      const { rpc } = await call.connect();
      const answer = await rpc.file.inspectFile({ commit, path }, { signal: call.signal });
      showOne(call, api.FileSchema, answer.file, FIELDS);
    }),
  );
}

async function put(call: Call, flags: PutFlags, name: string, files: readonly string[]): Promise<void> {
  const { repo, ref: branch, path: under } = parseFileRef(name);
  if ((flags.recursive === undefined) === (files.length === 0)) {
    throw invalidArgument("NOTHING_TO_PUT", "give either files, or a folder with -r");
  }
  const { host, signal } = call;
  const sources = named(files, host.cwd);
  const progress = new Progress(call.json ? { ...host.stderr, write: () => {} } : host.stderr, host.clock);
  const options = {
    under,
    signal,
    description: flags.description ?? "",
    onProgress: (done: { files: number; bytes: number }) =>
      progress.say(`${counted(done.files, "file")}, ${bytes(done.bytes)}`),
  };
  const client = await call.connect();
  try {
    const done =
      flags.recursive === undefined
        ? await client.putFiles(repo, branch, sources, options)
        : await client.putFolder(repo, branch, resolve(host.cwd, flags.recursive), options);
    progress.end();
    tellPut(call, `${repo}@${branch}`, done);
  } finally {
    progress.end();
  }
}

/** Files keep the names that they are called by, each its own. Who names a link means what it leads to. */
function named(files: readonly string[], cwd: string) {
  const found = files.map((file) => {
    if (file === "") throw invalidArgument("EMPTY_VALUE", "the name of one of the files is empty");
    const path = resolve(cwd, file);
    const kind = statSync(path, { throwIfNoEntry: false });
    if (kind?.isDirectory()) {
      throw invalidArgument(
        "NOT_A_FILE",
        `${JSON.stringify(file)} is a folder: give -r ${file} to put all that is in it`,
      );
    }
    return { path: basename(path), source: kind === undefined ? path : realpathSync(path), file };
  });
  const [twins] = [...Map.groupBy(found, ({ path }) => path).values()].filter(({ length }) => length > 1);
  if (twins === undefined) return found;
  const shown = twins.map(({ file }) => JSON.stringify(file)).join(" and ");
  throw invalidArgument(
    "NAME_TWICE",
    `${shown} have one name, and would be one file: put one of them elsewhere, like REPO@BRANCH:/FOLDER`,
  );
}

function tellPut(call: Call, target: string, { commit, files, bytes: size, skipped }: PutFolderResult): void {
  if (call.json) return showOne(call, api.CommitSchema, commit, {});
  const left = skipped.links + skipped.special;
  const note = left === 0 ? "" : `; left out: ${counted(skipped.links, "link")}, ${count(skipped.special)} special`;
  say(call, `${counted(files, "file")}, ${bytes(size)} put: ${target} is at commit ${commit.id}${note}`);
}

async function remove(call: Call, name: string, more: readonly string[]): Promise<void> {
  const { repo, ref: branch, path } = parseFileRef(name);
  // What is after the colon, and not all there is where that is empty: a variable of a script may be.
  const paths = /:./s.test(name) ? [path, ...more] : more;
  if (paths.length === 0) {
    throw invalidArgument("NOTHING_TO_DELETE", `say what to delete, like ${repo}@${branch}:/PATH`);
  }
  async function* steps(): AsyncGenerator<MessageInitShape<typeof api.ModifyFilesRequestSchema>> {
    yield { message: { case: "open", value: { repo, branch } } };
    for (const path of paths) yield { message: { case: "delete", value: { path } } };
    yield { message: { case: "finish", value: {} } };
  }
  const { rpc } = await call.connect();
  const { signal } = call;
  // To the API what is not there is deleted already; a person has mistyped it.
  for (const path of paths) await rpc.file.inspectFile({ commit: { repo, ref: branch }, path }, { signal });
  const { commit } = await rpc.file.modifyFiles(steps(), { signal });
  if (call.json) showOne(call, api.CommitSchema, commit, {});
  say(call, `deleted: ${repo}@${branch} is at commit ${commit?.id ?? ""}`);
}

async function get(call: Call, { output }: { readonly output: string }, name: string): Promise<void> {
  const ref = parseFileRef(name);
  const { host, signal } = call;
  const client = await call.connect();
  const { path, ...commit } = ref;
  const { file } = await client.rpc.file.inspectFile({ commit, path }, { signal });
  const isFolder = file?.kind === api.FileKind.FOLDER;
  if (output === "-") {
    if (isFolder) throw invalidArgument("FOLDER_TO_STDOUT", `${path} is a folder: give a folder with -o`);
    for await (const piece of client.readFile(commit, path, { signal })) {
      host.stdout.write(piece);
      await host.stdout.flush();
    }
    return;
  }
  const target = resolve(host.cwd, output);
  if (isFolder) await client.getFolder(commit, target, { path, signal });
  else await client.getFile(commit, path, fileTarget(ref, target, output), { signal });
}

/** In a folder the file keeps its name. */
function fileTarget({ path }: FileRef, target: string, asGiven: string): string {
  const isFolder = asGiven.endsWith("/") || statSync(target, { throwIfNoEntry: false })?.isDirectory() === true;
  return isFolder ? join(target, basename(path)) : target;
}
