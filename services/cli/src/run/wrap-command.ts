/**
 * `{}` and `{out}` in the arguments of a command. Where the input file and the output folder lie is known only when a datum
 * runs, so the command is wrapped in a POSIX shell that puts them in: once, from left to right, so that a path that itself
 * contains `{}` stays as it is. It uses no other program and no command substitution, which would drop newlines.
 *
 * The names of its variables are its own: a variable that came with the environment would be changed for the command too.
 */

const SCRIPT = `
_sheaf_left=$#
while [ "$_sheaf_left" -gt 0 ]; do
  _sheaf_rest=$1
  _sheaf_done=
  shift
  while :; do
    case $_sheaf_rest in
      *"{}"* | *"{out}"*) ;;
      *) break ;;
    esac
    _sheaf_done=$_sheaf_done\${_sheaf_rest%%"{"*}
    _sheaf_rest=\${_sheaf_rest#*"{"}
    case $_sheaf_rest in
      "}"*) _sheaf_done=$_sheaf_done$SHEAF_INPUT _sheaf_rest=\${_sheaf_rest#?} ;;
      "out}"*) _sheaf_done=$_sheaf_done$SHEAF_OUT _sheaf_rest=\${_sheaf_rest#????} ;;
      *) _sheaf_done=$_sheaf_done"{" ;;
    esac
  done
  set -- "$@" "$_sheaf_done$_sheaf_rest"
  _sheaf_left=$((_sheaf_left - 1))
done
exec "$@"
`.trim();

/** The command that a datum runs: the user's own, or one that puts in what its placeholders stand for. */
export function wrapCommand(command: readonly string[]): string[] {
  const hasPlaceholder = command.some((word) => word.includes("{}") || word.includes("{out}"));
  // "sheaf" is what the shell calls itself in its messages.
  return hasPlaceholder ? ["sh", "-c", SCRIPT, "sheaf", ...command] : [...command];
}
