/** Lists of the API, row by row, whatever the number of pages. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import type { SheafRpc } from "./services.ts";

/** The most that a server gives at once. */
const PAGE_SIZE = 1_000;

type Rows<T> = AsyncGenerator<T, void, void>;

/** Each in the order of its RPC; `page` is set by them. Breaking out of a loop asks for no more. */
export interface Lists {
  /** Repos whose names begin with this. Default: all. */
  repos(namePrefix?: string): Rows<api.Repo>;
  commits(request: MessageInitShape<typeof api.ListCommitsRequestSchema>): Rows<api.Commit>;
  /** What a folder holds. */
  files(request: MessageInitShape<typeof api.ListFilesRequestSchema>): Rows<api.File>;
  /** What a glob matches: the paths that would be datums. */
  globFiles(request: MessageInitShape<typeof api.GlobFilesRequestSchema>): Rows<api.File>;
  pipelines(namePrefix?: string): Rows<api.Pipeline>;
  jobs(request: MessageInitShape<typeof api.ListJobsRequestSchema>): Rows<api.Job>;
  datums(request: MessageInitShape<typeof api.ListDatumsRequestSchema>): Rows<api.Datum>;
  /** Workers that are connected; of one pipeline when it is named. */
  workers(pipeline?: string): Rows<api.Worker>;
  /** Lines that commands wrote, as far as their datums are committed. */
  logs(request: MessageInitShape<typeof api.GetLogsRequestSchema>): Rows<api.JobLogLine>;
}

export function listsOf(rpc: SheafRpc): Lists {
  return {
    repos: (namePrefix = "") =>
      eachRow(
        (page) => rpc.repo.listRepos({ page, namePrefix }),
        ({ repos }) => repos,
      ),
    commits: (fields) => {
      const request = create(api.ListCommitsRequestSchema, fields);
      return eachRow(
        (page) => rpc.repo.listCommits({ ...request, page }),
        ({ commits }) => commits,
      );
    },
    files: (fields) => {
      const request = create(api.ListFilesRequestSchema, fields);
      return eachRow(
        (page) => rpc.file.listFiles({ ...request, page }),
        ({ files }) => files,
      );
    },
    globFiles: (fields) => {
      const request = create(api.GlobFilesRequestSchema, fields);
      return eachRow(
        (page) => rpc.file.globFiles({ ...request, page }),
        ({ files }) => files,
      );
    },
    pipelines: (namePrefix = "") =>
      eachRow(
        (page) => rpc.pipeline.listPipelines({ page, namePrefix }),
        ({ pipelines }) => pipelines,
      ),
    jobs: (fields) => {
      const request = create(api.ListJobsRequestSchema, fields);
      return eachRow(
        (page) => rpc.job.listJobs({ ...request, page }),
        ({ jobs }) => jobs,
      );
    },
    datums: (fields) => {
      const request = create(api.ListDatumsRequestSchema, fields);
      return eachRow(
        (page) => rpc.datum.listDatums({ ...request, page }),
        ({ datums }) => datums,
      );
    },
    workers: (pipeline = "") =>
      eachRow(
        (page) => rpc.cluster.listWorkers({ page, pipeline }),
        ({ workers }) => workers,
      ),
    logs: (request) => eachLine(rpc, request),
  };
}

async function* eachRow<A extends { readonly nextPageToken: string }, Row>(
  call: (page: api.Page) => Promise<A>,
  rows: (answer: A) => readonly Row[],
): Rows<Row> {
  for (let token = ""; ; ) {
    const answer = await call(create(api.PageSchema, { size: PAGE_SIZE, token }));
    yield* rows(answer);
    token = answer.nextPageToken;
    if (token === "") return;
  }
}

async function* eachLine(
  rpc: SheafRpc,
  request: MessageInitShape<typeof api.GetLogsRequestSchema>,
): Rows<api.JobLogLine> {
  for await (const { lines } of rpc.datum.getLogs(request)) yield* lines;
}
