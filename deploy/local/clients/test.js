// `npm run test:clients`: the clients of all languages against a real cluster; see test/clients. A language that the machine
// has not is one line and left out; with CI set it is a failure.
import { join } from "node:path";
import { become } from "../become.js";
import { project } from "../project.js";
import { say, sayTrouble, Trouble } from "../say.js";
import { go, java, python } from "./toolchains.js";

const FILES = "{test,examples}/**/*.clients.ts";

try {
  const made = { python: await python(), go: await go(), java: await java() };
  for (const [language, { cannot }] of Object.entries(made)) {
    if (cannot === undefined) continue;
    if (process.env.CI)
      throw new Trouble(`the ${language} client cannot be tested: ${cannot}`, "install it, then run again.");
    say(`the ${language} client is left out: ${cannot}`);
  }
  const env = { ...process.env, SHEAF_CLIENTS: JSON.stringify(made), SHEAF_TEST_FILES: FILES };
  const args = [join(project, "deploy", "local", "test.js"), ...process.argv.slice(2)];
  await become(process.execPath, args, { cwd: project, env });
} catch (error) {
  sayTrouble(error);
  process.exitCode = 1;
}
