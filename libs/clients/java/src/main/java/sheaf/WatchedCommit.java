package sheaf;

import sheaf.api.v1.Commit;

/**
 * A commit of a branch. `resume`: where another watch goes on behind it, to be kept with whatever the commit brought about. `gap`: it does
 * not follow the one before, the branch was put elsewhere.
 */
public record WatchedCommit(Commit commit, String resume, boolean gap) {}
