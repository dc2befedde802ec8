/** Version of the program, of all services and of the command line: that of package.json. */
export const VERSION = "0.1.0";
