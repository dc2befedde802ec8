// node deploy/local/run.js <program> [argument ...]: what every npm script calls.
import { start } from "./start.js";

const [name, ...args] = process.argv.slice(2);
// npm runs its scripts in the project's folder and tells where the user stands. In a script of another name it tells where *that* one was called.
const cwd = process.env.npm_lifecycle_event === name ? process.env.INIT_CWD : undefined;
await start(name, args, { cwd });
