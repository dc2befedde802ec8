import { connect, enumWord, readSpec } from "@sheaf/client";
import { api } from "@sheaf/proto";

const client = connect(); // SHEAF_ADDRESS; SHEAF_TOKEN and SHEAF_CA if need be
await client.rpc.repo.createRepo({ name: "logs" });
await client.putFolder("logs", "master", "./logs");
await client.submit(readSpec("pipeline.yaml"));
const job = await client.waitJob("status-codes", { timeoutMs: 600_000, firstJobMs: 30_000 });
console.log(enumWord(api.JobStateSchema, job.state));
for await (const datum of client.datums({ pipeline: "status-codes" })) console.log(datum.inputs);
await client.getFolder({ repo: "status-codes" }, "./out");
client.close();
