/** Repos of a fake cluster. */
import type { api } from "@sheaf/proto";
import type { Handlers } from "@sheaf/rpc";
import { alreadyExists, notFound } from "@sheaf/runtime";
import type { FakeTree, FakeWorld } from "./fake-cluster.ts";

export function fakeRepos(world: FakeWorld): Handlers<typeof api.RepoService> {
  const view = (name: string) => {
    const { heads, pipeline } = requireRepo(world, name);
    return { name, pipeline, branches: [...heads].map(([branch, head]) => ({ repo: name, name: branch, head })) };
  };
  return {
    createRepo: async ({ name }) => {
      if (world.repos.has(name)) throw alreadyExists("REPO_EXISTS", `there is a repo "${name}" already`);
      world.repos.set(name, { pipeline: "", heads: new Map() });
      return { repo: view(name) };
    },
    inspectRepo: async ({ name }) => ({ repo: view(name) }),
    /** One row a page, so that paging shows. */
    listRepos: async ({ page, namePrefix }) => {
      const names = [...world.repos.keys()].filter((name) => name.startsWith(namePrefix)).sort();
      const at = names.findIndex((name) => name > (page?.token ?? ""));
      const name = names[at];
      return {
        repos: name === undefined ? [] : [view(name)],
        nextPageToken: at < names.length - 1 ? (name ?? "") : "",
      };
    },
    deleteRepo: async ({ name }) => {
      requireRepo(world, name);
      world.repos.delete(name);
      return {};
    },
  };
}

export function requireRepo(world: FakeWorld, name: string) {
  const repo = world.repos.get(name);
  if (repo === undefined) throw notFound("REPO_NOT_FOUND", `there is no repo "${name}"`);
  return repo;
}

/** Makes a commit the head of a branch. */
export function addCommit(world: FakeWorld, repo: string, branch: string, tree: FakeTree): string {
  const id = `c${String(world.commits.size).padStart(25, "0")}`;
  world.commits.set(id, { repo, branch, tree });
  requireRepo(world, repo).heads.set(branch, id);
  return id;
}
