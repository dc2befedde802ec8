package sheaf;

/** What was written. */
public record GotFolder(long files, long bytes) {}
