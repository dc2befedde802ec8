/** Version of the program. Owner and worker must have the same major and minor. */
export const VERSION = "0.1.0";
