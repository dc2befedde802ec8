/** Three etcd members on this machine, for what one member alone cannot show: losing one, losing the quorum. */
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { connectEtcd } from "@sheaf/etcd";
import { type After, etcdBinary, temporaryFolder } from "./etcd-server.ts";

export interface ClusterMember {
  /** `127.0.0.1:PORT`, for clients. */
  readonly address: string;
  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void;
}

const SIZE = 3;

/** Starts them and waits until they answer a linearizable read; they are gone at the end of the test. */
export async function startEtcdCluster(after: After): Promise<readonly ClusterMember[]> {
  const folder = await temporaryFolder(after);
  const ports = await freePorts(2 * SIZE);
  const peer = (i: number) => `http://127.0.0.1:${ports[i]}`;
  const initial = Array.from({ length: SIZE }, (_, i) => `m${i}=${peer(i)}`).join(",");
  const members = Array.from({ length: SIZE }, (_, i) => {
    const address = `127.0.0.1:${ports[SIZE + i]}`;
    const child = spawn(
      "setpriv",
      [
        ...["--pdeathsig", "KILL", "--", etcdBinary(), `--name=m${i}`],
        ...[`--data-dir=${join(folder, `m${i}`)}`, `--initial-cluster=${initial}`],
        ...[`--listen-peer-urls=${peer(i)}`, `--initial-advertise-peer-urls=${peer(i)}`],
        ...[`--listen-client-urls=http://${address}`, `--advertise-client-urls=http://${address}`],
        ...["--heartbeat-interval=50", "--election-timeout=500", "--unsafe-no-fsync"],
      ],
      { stdio: "ignore" },
    );
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    after(async () => {
      child.kill("SIGKILL");
      await exited;
    });
    return { address, signal: (signal: NodeJS.Signals) => void child.kill(signal) };
  });
  const client = await connectEtcd({ addresses: members.map(({ address }) => address) });
  await client.close();
  return members;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  return Promise.all(
    servers.map(async (server) => {
      await new Promise((resolve) => server.once("listening", resolve));
      const bound = server.address();
      await new Promise((resolve) => server.close(resolve));
      return typeof bound === "object" && bound !== null ? bound.port : 0;
    }),
  );
}
