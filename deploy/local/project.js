// Where the project lies.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** The root folder of this clone. */
export const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
