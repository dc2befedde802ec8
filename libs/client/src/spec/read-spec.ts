/** A pipeline file, read from where the user says. */
import { readFileSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import type { api } from "@sheaf/proto";
import { invalidArgument, messageOf, type SheafError } from "@sheaf/runtime";
import { parseSpec, SPEC_BYTES_MAX } from "./parse-spec.ts";
import { isModulePath, readHandler } from "./read-handler.ts";

/** INVALID_ARGUMENT, with the place in the file. `-` is standard input. A handler is read from its own file. */
export function readSpec(file: string, cwd = process.cwd()): api.PipelineSpec {
  if (file === "-") return readSpecText(readOrRefuse(0, "standard input"), "standard input", cwd);
  const path = resolve(cwd, file);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw refused(`there is no pipeline file ${JSON.stringify(path)}: check the path`);
  if (stats.size > SPEC_BYTES_MAX)
    throw refused(`${JSON.stringify(path)} has ${stats.size} bytes: a pipeline file has at most ${SPEC_BYTES_MAX}`);
  return readSpecText(readOrRefuse(path, JSON.stringify(path)), basename(path), dirname(path));
}

/** The same of a text that was read already; `name` stands in the messages, a handler lies below `folder`. */
export function readSpecText(text: string, name: string, folder = process.cwd()): api.PipelineSpec {
  return withHandler(parseSpec(text, name), folder);
}

/** A module that the spec names, beside its own file, becomes a part of it. */
function withHandler(spec: api.PipelineSpec, folder: string): api.PipelineSpec {
  const { transform } = spec;
  if (transform !== undefined && isModulePath(transform.handler)) {
    transform.handler = readHandler(resolve(folder, transform.handler));
  }
  return spec;
}

function readOrRefuse(source: string | number, shown: string): string {
  try {
    return readFileSync(source, "utf8");
  } catch (error) {
    throw refused(`cannot read the pipeline file ${shown}: ${messageOf(error)}`);
  }
}

function refused(message: string): SheafError {
  return invalidArgument("SPEC_FILE_UNREADABLE", message);
}
