import { readResultHeader } from "@sheaf/files";
import { dataLoss } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { WORK_KIND } from "../ledger-records.ts";
import type { VerifyResult } from "./take-commit.ts";

/** L4: what a commit refers to is in the store, and its header is read from there, before the commit is taken. */
export function resultVerifier(source: Store): VerifyResult {
  return async (kind, result) => {
    const { header, objects } = await readResultHeader(source, WORK_KIND[kind], result);
    const heads = await Promise.all(objects.map((key) => source.head(key)));
    const missing = objects.find((_, i) => heads[i] === null);
    if (missing !== undefined)
      throw dataLoss("OBJECT_MISSING", `${missing}, which the result refers to, is not in the store`);
    return header;
  };
}
