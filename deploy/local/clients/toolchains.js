// What the clients of other languages are built and tested with. Each function gives what it made, or why this machine cannot: `{ cannot }`.
// It throws when it should be possible and failed.
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cached, obtain, platform } from "../cache.js";
import { run, whyItFailed } from "../child.js";
import { goCannot } from "../go.js";
import { withLock } from "../lock.js";
import { project } from "../project.js";
import { timed } from "../say.js";

const LEAST_PYTHON = [3, 9];
const LEAST_JAVA = 17;
const MINUTES_MS = 60_000;
const REQUIREMENTS = join(dirname(fileURLToPath(import.meta.url)), "requirements.txt");
const GO_CLIENT = join(project, "libs", "clients", "go");
const GO_DRIVER = join(project, "test", "clients", "drivers", "go");
const JAVA_CLIENT = join(project, "libs", "clients", "java");
const JAVA_DRIVER = join(project, "test", "clients", "drivers", "Driver.java");
/** What is built from this clone's own sources. */
const BUILT = join(project, ".sheaf", "clients");
const GO_ENV = { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOWORK: "off", GOFLAGS: "-mod=readonly" };

/** `{ python }`: a Python with the packages of requirements.txt, whose hashes are compared. */
export async function python() {
  const found = await run("python3", ["-c", "import sys; print(*sys.version_info[:2], sep='.')"], {
    timeoutMs: MINUTES_MS,
  });
  if (found.code !== 0) return { cannot: "Python is not installed" };
  const version = found.stdout.trim();
  const [major, minor] = version.split(".").map(Number);
  if (major !== LEAST_PYTHON[0] || minor < LEAST_PYTHON[1])
    return { cannot: `Python is ${version}, and the client needs ${LEAST_PYTHON.join(".")}` };
  if ((await run("python3", ["-c", "import venv, ensurepip"], { timeoutMs: MINUTES_MS })).code !== 0)
    return { cannot: "Python has no venv (Debian's package python3-venv)" };
  const name = `clients-python-${version}-${hashOf([REQUIREMENTS])}-${platform}`;
  const program = join("bin", "python3");
  const already = cached(name, program);
  if (already) return { python: already };
  const made = await timed(
    "fetching the packages of the Python client",
    (file) => `they are beside ${file}`,
    () =>
      obtain(name, program, async (folder, onStart) => {
        await must("python3", ["-m", "venv", folder], { onStart });
        const pip = [
          "-m",
          "pip",
          "install",
          "--quiet",
          "--disable-pip-version-check",
          "--require-hashes",
          "-r",
          REQUIREMENTS,
        ];
        await must(join(folder, program), pip, { onStart });
      }),
  );
  return { python: made };
}

/** `{ driver, plugins }`: the test's program, and the folder of protoc's plugins. Go's own cache makes that quick. */
export async function go() {
  const cannot = await goCannot("the Go client");
  if (cannot) return { cannot };
  const driver = join(BUILT, "go-driver");
  const plugins = join(BUILT, "go-plugins");
  mkdirSync(plugins, { recursive: true });
  await must("go", ["build", "-trimpath", "-o", driver, "."], { cwd: GO_DRIVER, env: GO_ENV });
  const packages = ["google.golang.org/protobuf/cmd/protoc-gen-go", "google.golang.org/grpc/cmd/protoc-gen-go-grpc"];
  await must("go", ["build", "-trimpath", "-o", `${plugins}/`, ...packages], { cwd: GO_CLIENT, env: GO_ENV });
  return { driver, plugins };
}

/** `{ classpath }`: the client with what it needs, and the tests' driver, built by Maven unless nothing has changed. */
export async function java() {
  const found = await run("javac", ["-version"], { timeoutMs: MINUTES_MS });
  if (found.code !== 0) return { cannot: "a Java development kit is not installed" };
  const version = Number(/(\d+)/.exec(found.output)?.[1]);
  if (version < LEAST_JAVA) return { cannot: `Java is ${version}, and the client needs ${LEAST_JAVA}` };
  if ((await run("mvn", ["-version"], { timeoutMs: MINUTES_MS })).code !== 0)
    return { cannot: "Maven is not installed" };
  const target = join(JAVA_CLIENT, "target");
  const driver = join(target, "driver");
  const classpath = [driver, join(target, "classes"), join(target, "lib", "*")].join(":");
  const stamp = join(target, "sheaf-stamp");
  const sources = [
    JAVA_DRIVER,
    join(JAVA_CLIENT, "pom.xml"),
    ...globSync(join(JAVA_CLIENT, "src", "main", "**", "*.java")),
    ...globSync(join(project, "proto", "sheaf", "{access,api}", "**", "*.proto")),
  ];
  const wanted = hashOf(sources.sort());
  const isFresh = () => existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
  mkdirSync(BUILT, { recursive: true });
  await withLock(join(BUILT, "java.lock"), async () => {
    if (isFresh()) return;
    await timed(
      "building the Java client with Maven",
      () => "the Java client is built",
      async () => {
        rmSync(target, { recursive: true, force: true }); // Maven would keep classes whose sources are gone
        await must("mvn", ["--batch-mode", "--quiet", "package"], { cwd: JAVA_CLIENT });
        // Run from its source it would be compiled at each start, for seconds.
        await must("javac", ["-d", driver, "-cp", classpath, JAVA_DRIVER]);
      },
    );
    writeFileSync(stamp, wanted);
  });
  return { classpath };
}

async function must(command, args, options = {}) {
  const ended = await run(command, args, { timeoutMs: 15 * MINUTES_MS, ...options });
  if (ended.code !== 0) throw new Error(whyItFailed([command, ...args.slice(0, 2)].join(" "), ended));
}

function hashOf(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(file.slice(project.length)).update("\0").update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}
