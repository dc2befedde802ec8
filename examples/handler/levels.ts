// "2026-06-01T10:00:00Z ERROR disk is full" counts for ERROR.

/** What this handler uses of a datum; libs/clients/node/handler.d.ts has all of it. */
interface Datum {
  text(): string;
  write(name: string, data: string): void;
}

export default (datum: Datum): void => {
  const counts = new Map<string, number>();
  for (const line of datum.text().split("\n")) {
    const [, level] = line.split(" ");
    if (level !== undefined) counts.set(level, (counts.get(level) ?? 0) + 1);
  }
  datum.write("levels", [...counts].map(([level, count]) => `${level}\t${count}\n`).join(""));
};
