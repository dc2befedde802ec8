/** `sheaf repo`. */
import { api } from "@sheaf/proto";
import type { Command } from "commander";
import { action, leaf, noun } from "../action.ts";
import { type Columns, say, showOne, showRows, time } from "../output/show.ts";
import type { Session } from "../session.ts";

const COLUMNS: Columns<api.Repo> = {
  NAME: ({ name }) => name,
  BRANCHES: ({ branches }) => branches.map(({ name }) => name).join(","),
  "WRITTEN BY": ({ pipeline }) => (pipeline === "" ? "users" : `pipeline ${pipeline}`),
  CREATED: ({ created }) => time(created),
  DESCRIPTION: ({ description }) => description,
};

const FIELDS: Columns<api.Repo> = {
  name: ({ name }) => name,
  description: ({ description }) => description,
  "written by": ({ pipeline }) => (pipeline === "" ? "users" : `pipeline ${pipeline}`),
  created: ({ created }) => time(created),
  branches: ({ branches }) => branches.map(({ name, head }) => `${name} -> ${head}`).join(", "),
};

export function defineRepo(program: Command, session: Session): void {
  const repo = noun(program, "repo", "Repos: named, versioned trees of files.");
  leaf(repo, {
    usage: "create <name>",
    summary: "Creates an empty repo.",
    examples: ["sheaf repo create logs --description 'logs of the web servers'"],
  })
    .option("--description <text>", "free text")
    .action(
      action<{ description?: string }, [string]>(session, async (call, { description = "" }, name) => {
        const { rpc } = await call.connect();
        const answer = await rpc.repo.createRepo({ name, description }, { signal: call.signal });
        if (call.json) showOne(call, api.RepoSchema, answer.repo, FIELDS);
        say(call, `created repo ${name}`);
      }),
    );
  leaf(repo, { usage: "list", summary: "Lists repos by name.", examples: ["sheaf repo list --prefix web-"] })
    .option("--prefix <text>", "only names that begin with this")
    .action(
      action<{ prefix?: string }, []>(session, async (call, { prefix }) => {
        const client = await call.connect();
        await showRows(call, api.RepoSchema, client.repos(prefix), COLUMNS);
      }),
    );
  leaf(repo, { usage: "inspect <name>", summary: "Shows a repo.", examples: ["sheaf repo inspect logs"] }).action(
    action<object, [string]>(session, async (call, _, name) => {
      const { rpc } = await call.connect();
      const answer = await rpc.repo.inspectRepo({ name }, { signal: call.signal });
      showOne(call, api.RepoSchema, answer.repo, FIELDS);
    }),
  );
  leaf(repo, {
    usage: "delete <name>",
    summary: "Deletes a repo with its branches and commits.",
    examples: ["sheaf repo delete logs"],
  }).action(
    action<object, [string]>(session, async (call, _, name) => {
      const { rpc } = await call.connect();
      const answer = await rpc.repo.deleteRepo({ name }, { signal: call.signal });
      if (call.json) showOne(call, api.DeleteRepoResponseSchema, answer, {});
      say(call, `deleted repo ${name}`);
    }),
  );
}
