/**
 * Settings, declared once: flags first, then the environment, then the default. The declaration is also
 * the help text, so the two cannot differ.
 */
import { type FieldViolation, invalidArgument, type SheafError } from "./errors.ts";
import { didYouMean } from "./nearest.ts";
import type { Secret } from "./secret.ts";
import * as types from "./setting-types.ts";

interface SettingBase<Type extends string, Default> {
  /** Without dashes: `port`. */
  readonly flag: string;
  /** `SHEAF_PORT`. An empty variable counts as not set. */
  readonly env?: string;
  readonly type: Type;
  /** What it does, in one or two lines; the unit is in the type. */
  readonly help: string;
  /** As a user would write it, so that the help shows it in the same way. */
  readonly default?: Default;
  readonly required?: true;
}

export type Setting =
  | (SettingBase<"string", string> & { readonly oneOf?: readonly string[] })
  | (SettingBase<"int", number> & { readonly min?: number; readonly max?: number })
  | SettingBase<"port", number>
  /** Written `10s`, read as milliseconds. */
  | SettingBase<"duration", string>
  /** Written `64MiB`, read as bytes. */
  | SettingBase<"bytes", string>
  /** Of a cluster, a pipeline: name.ts. */
  | SettingBase<"name", string>
  /** `--name`, `--no-name`, `--name=true`; in the environment `true` or `false`. */
  | SettingBase<"flag", boolean>
  | SettingBase<"address", string>
  /** The flag several times, or values divided by commas; `of`: what each of them is. */
  | (SettingBase<"list", string> & { readonly of?: "address" })
  /** Read as a Secret, never shown. Give it by the environment: other users can see flags. */
  | SettingBase<"secret", never>;

export type Definitions = Readonly<Record<string, Setting>>;

interface ValueTypes {
  readonly string: string;
  readonly int: number;
  readonly port: number;
  readonly duration: number;
  readonly bytes: number;
  readonly name: string;
  readonly flag: boolean;
  readonly address: types.Address;
  readonly list: readonly string[];
  readonly secret: Secret<string>;
}

type ValueOf<S extends Setting> = S extends { readonly oneOf: readonly (infer One)[] } ? One : ValueTypes[S["type"]];
type AlwaysThere = { readonly default: unknown } | { readonly required: true } | { readonly type: "flag" | "list" };

/** What `readSettings` returns: undefined only for a setting that has no default and is not required. */
export type SettingsOf<D extends Definitions> = {
  readonly [K in keyof D]: D[K] extends AlwaysThere ? ValueOf<D[K]> : ValueOf<D[K]> | undefined;
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** Declares settings; gives their types to the compiler. */
export function defineSettings<const D extends Definitions>(definitions: D): D {
  return definitions;
}

/**
 * Reads the settings. Throws one INVALID_ARGUMENT that names everything that is wrong: unknown flags with
 * the nearest known name, values that do not parse, required settings that are missing.
 */
export function readSettings<D extends Definitions>(
  definitions: D,
  argv: readonly string[],
  env: Environment,
): SettingsOf<D> {
  const problems: FieldViolation[] = [];
  const flags = readFlags(definitions, argv, problems);
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(definitions)) {
    const found = lookUp(setting, flags, env);
    if (found === undefined) {
      if (setting.required) problems.push({ field: `--${setting.flag}`, description: missing(setting) });
      values[name] = emptyValue(setting);
      continue;
    }
    const parsed = parse(setting, found.text);
    if ("value" in parsed) values[name] = parsed.value;
    else
      problems.push({
        field: found.source,
        description: `${shownValue(setting, found.text)} ${parsed.wrong}`,
      });
  }
  if (problems.length > 0) throw settingsError(problems);
  return values as SettingsOf<D>;
}

/** Whether the user asks for help: `--help` or `-h` before a `--`. */
export function wantsHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).some((arg) => arg === "--help" || arg === "-h");
}

function settingsError(problems: readonly FieldViolation[]): SheafError {
  const lines = problems.map(({ field, description }) => `${field}: ${description}`);
  return invalidArgument("SETTING_INVALID", `${lines.join("; ")}; see --help`, {
    details: problems,
  });
}

interface Found {
  readonly text: string;
  /** The flag or the variable that it came from. */
  readonly source: string;
}

function lookUp(setting: Setting, flags: ReadonlyMap<string, string>, env: Environment): Found | undefined {
  const flag = flags.get(setting.flag);
  if (flag !== undefined) return { text: flag, source: `--${setting.flag}` };
  const variable = setting.env === undefined ? undefined : env[setting.env];
  if (variable) return { text: variable, source: setting.env ?? "" };
  if (setting.default !== undefined) return { text: String(setting.default), source: `default of --${setting.flag}` };
  return undefined;
}

/** The flags that were given, each with its text; a repeated one replaces, but a list goes on. */
function readFlags(definitions: Definitions, argv: readonly string[], problems: FieldViolation[]): Map<string, string> {
  const byFlag = new Map(Object.values(definitions).map((setting) => [setting.flag, setting]));
  const found = new Map<string, string>();
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? "";
    const match = /^--([^=]+)(?:=([\s\S]*))?$/.exec(arg);
    if (match === null) {
      problems.push({
        field: arg,
        description: "is not expected here: settings are given as --name value",
      });
      continue;
    }
    const name = match[1] ?? "";
    const negated = name.startsWith("no-") && byFlag.get(name.slice(3))?.type === "flag";
    const setting = byFlag.get(negated ? name.slice(3) : name);
    if (setting === undefined) {
      problems.push({
        field: `--${name}`,
        description: `is not a known flag${flagGuess(name, byFlag.keys())}`,
      });
      // Its value, if it has one, is no problem of its own.
      if (match[2] === undefined && argv[i + 1]?.startsWith("-") === false) i++;
      continue;
    }
    let text = match[2];
    if (text === undefined && setting.type === "flag") text = negated ? "false" : "true";
    if (text === undefined && !argv[i + 1]?.startsWith("--")) text = argv[++i];
    if (text === undefined) problems.push({ field: `--${name}`, description: "needs a value" });
    else found.set(setting.flag, setting.type === "list" && found.has(name) ? `${found.get(name)},${text}` : text);
  }
  return found;
}

function flagGuess(name: string, flags: Iterable<string>): string {
  return didYouMean(
    `--${name}`,
    Iterator.from(flags).map((flag) => `--${flag}`),
  );
}

function parse(setting: Setting, text: string): types.Parsed<unknown> {
  switch (setting.type) {
    case "string": {
      const { oneOf } = setting;
      if (oneOf === undefined || oneOf.includes(text)) return { value: text };
      return { wrong: `is not known${didYouMean(text, oneOf)}: use one of ${oneOf.join(", ")}` };
    }
    case "int":
      return types.parseInteger(text, setting.min, setting.max);
    case "port":
      return types.parsePort(text);
    case "duration":
      return types.parseDuration(text);
    case "bytes":
      return types.parseBytes(text);
    case "name":
      return types.parseName(text);
    case "flag":
      return types.parseBoolean(text);
    case "address":
      return types.parseAddress(text);
    case "list":
      return setting.of === undefined ? types.parseList(text) : types.parseAddressList(text);
    case "secret":
      return types.parseSecret(text);
  }
}

function emptyValue(setting: Setting): unknown {
  if (setting.type === "flag") return false;
  return setting.type === "list" ? [] : undefined;
}

function missing(setting: Setting): string {
  return setting.env === undefined ? "is required" : `is required: give the flag or set ${setting.env}`;
}

function shownValue(setting: Setting, text: string): string {
  return setting.type === "secret" ? "the value" : `"${text}"`;
}
