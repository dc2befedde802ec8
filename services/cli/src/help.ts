/** `sheaf help`: the same text as --help. Commander's own knows the commands of the first level only. */
import type { Command } from "commander";

export function defineHelp(program: Command): void {
  program
    .command("help [command...]")
    .description("show the help of a command")
    .helpOption("-h, --help", "show this text")
    .action((words: string[]) => {
      let found = program;
      for (const word of words) {
        const next = found.commands.find((command) => command.name() === word);
        if (next === undefined) found.error(`error: unknown command '${word}'`);
        else found = next;
      }
      found.outputHelp();
    });
}
