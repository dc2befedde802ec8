// Who a command runs as: `transform.user` against the machine's own list of users. Pure.

/** Somebody else than the worker itself. */
export interface User {
  readonly uid: number;
  readonly gid: number;
  /** As the command finds it in USER and LOGNAME. */
  readonly name: string;
  readonly home: string;
}

/** The machine's lists: the texts of /etc/passwd and /etc/group. */
export interface Accounts {
  readonly passwd: string;
  readonly group: string;
}

export type Found = { readonly ok: true; readonly user: User } | { readonly ok: false; readonly message: string };

/** `text`: "name", "uid", either with ":group" or ":gid". A number need not be listed: its group is then of the same number. */
export function findUser(text: string, accounts: Accounts): Found {
  const [who = "", group] = text.split(":");
  const entries = rows(accounts.passwd);
  const entry = entries.find(([name]) => name === who) ?? entries.find(([, , uid]) => uid === who);
  if (entry === undefined && !isId(who)) return unknown(`user ${JSON.stringify(who)}`, "/etc/passwd");
  const [name = who, , uid = who, ownGid = who, , home = ""] = entry ?? [];
  const gid = group === undefined ? ownGid : gidOf(group, accounts.group);
  if (gid === undefined) return unknown(`group ${JSON.stringify(group)}`, "/etc/group");
  return { ok: true, user: { uid: Number(uid), gid: Number(gid), name, home: home === "" ? "/" : home } };
}

function gidOf(group: string, list: string): string | undefined {
  const entry = rows(list).find(([name]) => name === group);
  return entry?.[2] ?? (isId(group) ? group : undefined);
}

function rows(list: string): string[][] {
  return list.split("\n").flatMap((line) => (line === "" ? [] : [line.split(":")]));
}

function isId(text: string): boolean {
  return /^\d+$/.test(text);
}

function unknown(what: string, list: string): Found {
  return {
    ok: false,
    message: `there is no ${what} in ${list} of the worker's machine: use one that is, or a numeric id`,
  };
}
