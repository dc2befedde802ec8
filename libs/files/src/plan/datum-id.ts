/**
 * The identity of a piece of work: two datums with one id would come to the same result, so a job takes over what an earlier
 * one has made of it.
 *
 * In it is all that decides the result and that the spec or the input commit knows: pipeline, salt, the command with all that is
 * around it, the merge strategies (`sum` refuses some outputs), and what the command sees of each file. Not in it is what
 * only says when and how often a command is run (commits, jobs, globs, tries, time limits, parallelism).
 *
 * Every text is preceded by its length in bytes and every list by its number of items, so that no two pieces of work run
 * together.
 */
import { createHash, type Hash } from "node:crypto";
import { create, type DescField, type DescMessage, type Message, toBinary } from "@bufbuild/protobuf";
import { api, type store } from "@sheaf/proto";

/** Fields of a transform that do not change what becomes of a datum. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(["debug", "image_pull_secrets", "slots"]);

/** What all datums of a job have in common, for `datumId`. */
export function workId(pipeline: string, spec: api.PipelineSpec | undefined): string {
  const digest = createHash("sha256");
  addText(digest, pipeline);
  addText(digest, spec?.salt ?? "");
  addFields(digest, api.TransformSchema, spec?.transform ?? create(api.TransformSchema));
  addBytes(digest, toBinary(api.MergeSpecSchema, spec?.merge ?? create(api.MergeSpecSchema)));
  const inputs = spec?.input === undefined ? [] : pfsOf(spec.input);
  for (const { name, emptyFiles } of inputs) if (emptyFiles) addText(digest, name);
  return digest.digest("hex");
}

/** SHA-256, in hex, over the work (see `workId`) and, per input, name, path and the files' paths, hashes and executable bits. */
export function datumId(work: string, inputs: readonly store.DatumInput[]): string {
  const digest = createHash("sha256");
  addText(digest, work);
  addNumber(digest, inputs.length);
  for (const input of inputs) {
    addText(digest, input.name);
    addText(digest, input.path);
    addNumber(digest, input.files.length);
    for (const file of input.files) {
      addText(digest, file.path);
      addNumber(digest, file.executable ? 1 : 0);
      digest.update(file.hash);
    }
  }
  return digest.digest("hex");
}

/**
 * The fields that are set, each by its number, so that a field that the contract gets later changes no id while it is not used.
 * The packed message would not do: the entries of a map may stand in it in any order.
 */
function addFields(digest: Hash, schema: DescMessage, message: Message): void {
  const values = message as unknown as Record<string, unknown>;
  const set = schema.fields.filter(({ name, localName }) => !WITHOUT_EFFECT.has(name) && !isUnset(values[localName]));
  addNumber(digest, set.length);
  for (const field of set) {
    addNumber(digest, field.number);
    addValue(digest, field, values[field.localName]);
  }
}

function addValue(digest: Hash, field: DescField, value: unknown): void {
  if (Array.isArray(value)) {
    addNumber(digest, value.length);
    for (const each of value) addOne(digest, field, each);
  } else if (field.fieldKind === "map") {
    const entries = Object.entries(value as Record<string, unknown>).sort(([a], [b]) => (a < b ? -1 : 1));
    addNumber(digest, entries.length);
    for (const text of entries.flat()) addText(digest, String(text));
  } else addOne(digest, field, value);
}

function addOne(digest: Hash, field: DescField, value: unknown): void {
  const { message } = field;
  if (message === undefined) addText(digest, String(value));
  else addFields(digest, message, value as Message);
}

function pfsOf({ pfs, cross, union, join, group }: api.Input): api.PfsInput[] {
  return [...(pfs === undefined ? [] : [pfs]), ...[...cross, ...union, ...join, ...group].flatMap(pfsOf)];
}

function isUnset(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === "" || value === 0 || value === false;
}

function addText(digest: Hash, text: string): void {
  addBytes(digest, Buffer.from(text));
}

function addBytes(digest: Hash, bytes: Uint8Array): void {
  addNumber(digest, bytes.length);
  digest.update(bytes);
}

function addNumber(digest: Hash, value: number): void {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  digest.update(bytes);
}
