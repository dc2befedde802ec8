// A worker process: takes claims of plan, process and merge work from the owners of its pipeline, and does them.

import { newEngineThread } from "./engine/new-thread.ts";

// Before anything else: the thread loads its modules while this one loads its own, and the worker greets that much sooner.
const thread = newEngineThread();
const { runWorker } = await import("./service.ts");
await runWorker(thread);
