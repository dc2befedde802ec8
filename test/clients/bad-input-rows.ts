// Where each row of the table of bad inputs is tested that a request of the public API can be: 1 to 40, 84 to 91 and 96 to 108. The tables of
// bad-requests.ts, over gRPC and over JSON, have most of them, by the number in front of what they try; these are the others, and what such a
// request leads to later.

import { BAD_JSON, BAD_REQUESTS } from "./bad-requests.ts";

export const FIRST_TO_LAST = [
  [1, 40],
  [84, 91],
  [96, 108],
] as const;

/** Rows that the tables have. */
export const IN_TABLES: ReadonlySet<number> = new Set(
  [...BAD_REQUESTS.map(({ what }) => what), ...BAD_JSON.map(([what]) => what)].flatMap((what) => {
    const [numbers = ""] = /^\d+(, \d+)*(?= )/.exec(what) ?? [];
    return numbers === "" ? [] : numbers.split(", ").map(Number);
  }),
);

export const ELSEWHERE: readonly { readonly rows: readonly number[]; readonly file: string; readonly test: string }[] =
  [
    // What is said and not refused, or needs more than one request; over both protocols.
    ...["21", "27", "29", "33", "35", "36", "38", "84", "99", "104"].map((row) => ({
      rows: [Number(row)],
      file: "test/clients/odd-inputs.test.ts",
      test: `"${row} `,
    })),
    { rows: [40], file: "test/clients/odd-inputs.test.ts", test: "`40 " },
    ...["30, 70", "34", "37", "31", "89"].map((row) => ({
      rows: [Number.parseInt(row, 10)],
      file: "test/clients/bad-requests.test.ts",
      test: `${row} `,
    })),
    { rows: [32], file: "test/clients/bad-requests.test.ts", test: '"32 ' },
    // What no handler sees: each protocol in its own words.
    ...["31", "39", "85", "86", "87", "88", "89", "90"].map((row) => ({
      rows: [Number(row)],
      file: "libs/rpc/src/request-faults.test.ts",
      test: `"${row}`,
    })),
    { rows: [91], file: "libs/rpc/src/no-deadline.test.ts", test: '"91 ' },
    { rows: [96], file: "libs/rpc/src/unread.test.ts", test: '"96 ' },
    { rows: [96], file: "test/integration/logs.test.ts", test: "a follower that does not read is cut" },
    { rows: [97], file: "libs/rpc/src/many-calls.test.ts", test: '"97 ' },
    { rows: [97], file: "libs/rpc/src/tls.test.ts", test: "more connections than the limit are closed" },
    { rows: [98], file: "libs/rpc/src/public-port.test.ts", test: '"98 ' },
    { rows: [98], file: "libs/rpc/src/request-faults.test.ts", test: "of other origins are refused" },
    { rows: [85, 98], file: "libs/rpc/src/access.test.ts", test: '"85, 98 ' },
    { rows: [99], file: "libs/rpc/src/access.test.ts", test: '"99 ' },
    // An image, or a machine, that there is not: only Kubernetes can tell, and says so of the pipeline.
    { rows: [11], file: "libs/provision/src/kubernetes/trouble.test.ts", test: "ErrImagePull" },
    {
      rows: [11, 14],
      file: "test/kubernetes/provisioner.test.ts",
      test: "says within 10 s that there is no such image, and that no node has room",
    },
    // No field of a spec makes a pod less restricted.
    { rows: [15], file: "libs/provision/src/kubernetes/pod.test.ts", test: "no container of it has a right, a token" },
    {
      rows: [19],
      file: "services/master/src/api/pipeline-service.test.ts",
      test: "19 leaves the job that runs its own",
    },
    { rows: [24], file: "services/master/src/jobs/job-life.test.ts", test: '"24 ' },
    { rows: [24], file: "test/integration/run-job.test.ts", test: "a glob that matches nothing makes an empty commit" },
    { rows: [25], file: "libs/files/src/plan/plan.test.ts", test: '"25 ' },
    // 28: a cross is refused as not implemented, by the tables.
    { rows: [35], file: "libs/client/src/put-folder.test.ts", test: "puts a sparse file by its bytes" },
    { rows: [35], file: "services/master/src/api/file-service.test.ts", test: "a store that is full is told" },
    { rows: [40], file: "services/master/src/files/change-list.test.ts", test: "holds 200,000 puts in some 40 MB" },
    { rows: [101], file: "services/master/src/jobs/job-life.test.ts", test: '"101 ' },
    { rows: [102], file: "services/master/src/api/pipeline-service.test.ts", test: '"102 ' },
    // A worker is no user: it speaks to the dispatch port.
    { rows: [103], file: "libs/ledger/src/dispatch/dispatcher.test.ts", test: '"103 ' },
    { rows: [105], file: "services/master/src/jobs/job-id.test.ts", test: '"105 ' },
    { rows: [106], file: "services/master/src/api/job-service.test.ts", test: '"106 ' },
    { rows: [107], file: "test/clients/every-call.test.ts", test: '"107 ' },
    { rows: [107], file: "services/master/src/api/watch-commits.test.ts", test: '"107 ' },
    { rows: [108], file: "services/master/src/jobs/job-life.test.ts", test: '"108 ' },
  ];
