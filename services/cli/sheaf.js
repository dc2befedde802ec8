#!/usr/bin/env node
// The command `sheaf` as npm links it. Plain JavaScript, because the machine's Node may be too old for the sources: the bootstrap finds the right one.
import { start } from "../../deploy/local/start.js";

await start("sheaf", process.argv.slice(2));
