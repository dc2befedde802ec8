import { connect, enumWord } from "@sheaf/client";
import { api } from "@sheaf/proto";

export async function newStatusCodes(address: string, token: string, say: (word: string) => void): Promise<string> {
  const client = connect(address, { token }); // "https://sheaf.example.com:7450"
  const { id } = await client.run("status-codes");
  for await (const { state } of client.watchJob("status-codes", { job: id })) say(enumWord(api.JobStateSchema, state));
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of client.readFile({ repo: "status-codes" }, "/status"))
    text += decoder.decode(piece, { stream: true });
  client.close();
  return text;
}
