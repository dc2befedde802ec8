/** The `--help` text of a program, made from the declaration of its settings. */
import type { Definitions, Setting } from "./config.ts";

export interface Program {
  /** How it is called: `sheaf-master`, `node services/master/src/main.ts`. */
  readonly name: string;
  /** What it is, in one or two lines. */
  readonly summary: string;
  /** A call that works, arguments only. */
  readonly example: string;
}

const WIDTH = 100;
const INDENT = "      ";

export function helpText(program: Program, definitions: Definitions): string {
  const settings = Object.values(definitions);
  return [
    program.summary,
    "",
    `Usage: ${program.name} [flags]`,
    "",
    "Flags (each can be set by its environment variable; a flag wins):",
    ...settings.flatMap(describe),
    "  -h, --help",
    `${INDENT}Shows this text.`,
    "",
    "Example:",
    `  ${program.name} ${program.example}`,
    "",
  ].join("\n");
}

const PLACEHOLDERS: Readonly<Record<Setting["type"], string>> = {
  string: " TEXT",
  int: " N",
  port: " PORT",
  duration: " DURATION",
  bytes: " SIZE",
  name: " NAME",
  flag: "",
  address: " HOST:PORT",
  list: " A,B,...",
  secret: " TEXT",
};

function describe(setting: Setting): string[] {
  const notes = [
    setting.env === undefined ? "" : `env ${setting.env}`,
    setting.default === undefined ? "" : `default ${setting.default === "" ? '""' : String(setting.default)}`,
    setting.required ? "required" : "",
    limits(setting),
  ].filter((note) => note !== "");
  const tail = notes.length === 0 ? "" : ` (${notes.join("; ")})`;
  return [`  --${setting.flag}${PLACEHOLDERS[setting.type]}`, ...wrap(`${setting.help}${tail}`)];
}

function limits(setting: Setting): string {
  if (setting.type === "string" && setting.oneOf !== undefined) return `one of ${setting.oneOf.join(", ")}`;
  if (setting.type !== "int") return "";
  const low = setting.min === undefined ? "" : `from ${setting.min}`;
  return `${low}${setting.max === undefined ? "" : ` to ${setting.max}`}`.trim();
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = INDENT;
  for (const word of text.split(/\s+/)) {
    if (line !== INDENT && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = INDENT;
    }
    line += line === INDENT ? word : ` ${word}`;
  }
  return [...lines, line];
}
