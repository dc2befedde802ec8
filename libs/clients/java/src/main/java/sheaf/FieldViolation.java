package sheaf;

/** One thing that is wrong with one field of a request or a file. */
public record FieldViolation(String field, String description) {}
