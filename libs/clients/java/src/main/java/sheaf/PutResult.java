package sheaf;

import sheaf.api.v1.Commit;

/** What was put. Links were not followed; special are pipes, sockets and devices. */
public record PutResult(Commit commit, long files, long bytes, int skippedLinks, int skippedSpecial) {}
