package sheaf;

import java.nio.file.Path;

/** A file of this machine, and its path below {@link PutOptions#under}, divided by "/"; a "/" before it changes nothing. */
public record LocalFile(String path, Path source) {}
