/** Which strategy merges a path. */
import { api } from "@sheaf/proto";
import { invalidArgument, unimplemented } from "@sheaf/runtime";
import { compileGlob } from "../glob.ts";

/** The strategies that this version carries out. */
export type Strategy = "concat" | "exclusive" | "sum";
export type StrategyOf = (path: string) => Strategy;

const RULES_MAX = 100;

/**
 * The first rule whose glob matches wins; without one the spec's own strategy, by default concat. Throws UNIMPLEMENTED
 * MERGE_STRATEGY for strategies that do not exist yet, and INVALID_ARGUMENT (GLOB_SYNTAX, MERGE_RULES) for what is wrong.
 */
export function compileMergeSpec(spec: api.MergeSpec | undefined): StrategyOf {
  const rules = (spec?.rules ?? []).map((rule) => ({
    glob: compileGlob(rule.glob),
    strategy: nameOf(rule.strategy),
  }));
  if (rules.length > RULES_MAX) throw invalidArgument("MERGE_RULES", `a merge spec has at most ${RULES_MAX} rules`);
  const otherwise = nameOf(spec?.strategy ?? api.MergeStrategy.UNSPECIFIED);
  return (path) => rules.find((rule) => rule.glob.matches(path))?.strategy ?? otherwise;
}

function nameOf(strategy: api.MergeStrategy): Strategy {
  switch (strategy) {
    case api.MergeStrategy.UNSPECIFIED:
    case api.MergeStrategy.CONCAT:
      return "concat";
    case api.MergeStrategy.EXCLUSIVE:
      return "exclusive";
    case api.MergeStrategy.SUM:
      return "sum";
    default:
      throw unimplemented("MERGE_STRATEGY", `the merge strategy ${spelled(strategy)} is not implemented yet`);
  }
}

function spelled(strategy: api.MergeStrategy): string {
  return Object.entries(api.MergeStrategy).find(([, number]) => number === strategy)?.[0] ?? String(strategy);
}
