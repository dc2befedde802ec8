/** What an error of the file system means for a store in a folder, and what its owner can do about it. */
import {
  dataLoss,
  failedPrecondition,
  invalidArgument,
  resourceExhausted,
  SheafError,
  toSheafError,
  unavailable,
} from "@sheaf/runtime";

/** Turns a thrown system error into the SheafError of the seam. `doing` completes "cannot ...". */
export function localFailure(thrown: unknown, folder: string, doing: string): SheafError {
  if (thrown instanceof SheafError) return thrown;
  const errno = (thrown as NodeJS.ErrnoException).code;
  // No system error: a bug, or what a source threw.
  if (errno === undefined) return toSheafError(thrown);
  const options = { cause: thrown, metadata: { folder, errno } };
  const at = `the store folder ${folder}`;
  switch (errno) {
    case "ENOSPC":
    case "EDQUOT":
      return resourceExhausted(
        "STORE_FULL",
        `${at} is full (${errno}): cannot ${doing}; free space there, or put the store elsewhere (SHEAF_STORE)`,
        options,
      );
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return failedPrecondition(
        "STORE_NOT_WRITABLE",
        `${at} is not writable (${errno}): cannot ${doing}; give this user the right to write there, or put the store elsewhere (SHEAF_STORE)`,
        options,
      );
    case "EMFILE":
    case "ENFILE":
      return resourceExhausted(
        "TOO_MANY_OPEN_FILES",
        `cannot ${doing} in ${at}: too many open files (${errno}); raise the limit (ulimit -n)`,
        options,
      );
    case "ENOTDIR":
    case "EISDIR":
    case "EEXIST":
      return invalidArgument(
        "KEY_INVALID",
        `cannot ${doing} in ${at}: a file stands where a folder is needed, or the other way round (${errno})`,
        options,
      );
    default:
      return unavailable("STORE_UNAVAILABLE", `cannot ${doing} in ${at}: ${errno}`, options);
  }
}

export function objectMissing(folder: string, key: string): SheafError {
  return dataLoss("OBJECT_MISSING", `the object ${key} is not in the store folder ${folder}`, {
    metadata: { folder, key },
  });
}

export function storeAway(folder: string, doing: string): SheafError {
  return unavailable(
    "STORE_UNAVAILABLE",
    `cannot ${doing}: the store folder ${folder} is not there, or is another one; mount it, or move it back`,
    { metadata: { folder } },
  );
}
