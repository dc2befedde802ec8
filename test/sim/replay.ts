import { type Result, runSeed } from "./run-seed.ts";

/** Lines of a broken history that are shown: the last ones, where it broke. The command shows all. */
const LINES_MAX = 80;

/** A broken history, told again: it is the same, because it has the same seed. */
export async function replayOf({ seed, violation }: Result): Promise<string> {
  const { history } = await runSeed(seed, true);
  const lines = history.split("\n");
  return [
    `seed ${seed} broke ${violation?.invariant}: ${violation?.message}`,
    `replay it: npm run sim -- --tell ${seed}`,
    ...(lines.length > LINES_MAX ? [`... ${lines.length - LINES_MAX} lines before`] : []),
    ...lines.slice(-LINES_MAX),
  ].join("\n");
}
