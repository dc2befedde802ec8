package sheaf;

import java.nio.file.Path;

/** A file of this machine, and its path below {@link PutOptions#under}, divided by "/". */
public record LocalFile(String path, Path source) {}
