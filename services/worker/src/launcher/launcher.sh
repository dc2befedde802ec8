# The launcher: a POSIX shell that stays alive and runs the command of one datum after another (L10: a spawn from Node per
# datum costs three times as much). It needs nothing but sh, so that the same program runs in a user's container.
#
# It reads its own standard input, the FIFO `requests`: shell commands that the worker wrote, so that the shell's parser is
# the protocol and argv arrives untouched. Other FIFOs in the shared folder $box:
#   control   worker -> killer     "term <serial>", "kill <serial>"
#   events    launcher -> worker   "ready <mode>", "exit <n> <status> <why>", "did <serial> <hit or missed>"
#   out, err  command -> worker    its two streams
#   start     launcher -> command  "<n>", in mode group
# The end of `requests` and `control` means that the worker is gone: everything ends. The worker may go at any moment, and
# to open a FIFO waits for its other end: one that is opened for both directions first does not.
#
# Nothing of a datum is alive when its exit is told. Modes:
#   namespace  this shell is process 1 of a PID namespace of its own: it may kill all others, daemons too
#   group      elsewhere: the command's process group (setsid), which a process can leave. Until the file `group` names
#              that group, the command stays in this shell's own (`gate`). So who kills this shell's group first and then
#              the one in the file misses no command, however young it is.
# A kill of everybody outside a namespace would end the machine's other processes: `everybody` alone does it, and asks.

umask 022
ulimit -c 0
exec 4<>"$box/events" 5<>"$box/start"

if [ "$$" = 1 ] && [ -d /proc/1 ]; then mode=namespace; else mode=group; fi
setsid=$(command -v setsid)
env=$(command -v env)
program=
absent=missing

everybody() {
  [ "$$" = 1 ] && kill "-$1" -1 2>/dev/null
}

# Signal $1 to the command's group. Fails when there is none: no command yet, no setsid, or nothing is left.
signal_group() {
  target=
  read -r target 2>/dev/null <"$box/group" && [ "${target:-0}" -gt 1 ] && kill "-$1" "-$target" 2>/dev/null
}

# Signal $1 to all that the datum runs. Fails when that is nothing.
signal_all() {
  case $mode in
    namespace) everybody "$1" ;;
    # Where setsid is, the bare id is not used: a command that has just ended may have left it to another process.
    *) signal_group "$1" || { [ -z "$setsid" ] && [ "${target:-0}" -gt 1 ] && kill "-$1" "$target" 2>/dev/null; } ;;
  esac
}

# A process of its own, because this shell waits for the command in the foreground.
killer() {
  while read -r order serial; do
    case $order in
      term) signal_all TERM ;;
      kill) signal_all KILL ;;
      *) continue ;; # The tail of a line that an earlier killer was reading when it was swept away.
    esac && answer=hit || answer=missed
    echo "did $serial $answer" >&4
  done 3<>"$box/control" <"$box/control" 3>&-
  # Process 1 without /proc has a namespace too, and "-1" is no group.
  if [ "$$" = 1 ]; then
    everybody KILL
    return
  fi
  # This process must outlive the group that it belongs to, and then go with what is left of it.
  trap '' TERM
  kill -TERM "-$$" 2>/dev/null
  signal_all KILL
  kill -KILL "-$$" 2>/dev/null
}

# Whether a process other than this shell and its killer lives; zombies do not.
others() {
  for entry in /proc/[0-9]*; do
    case ${entry#/proc/} in 1 | "$killer") continue ;; esac
    read -r stat 2>/dev/null <"$entry/stat" || continue
    case ${stat##*) } in Z* | X*) continue ;; esac
    return 0
  done
  return 1
}

start_killer() {
  killer </dev/null >/dev/null 2>&1 &
  killer=$!
}

# Ends what the datum left alive. In a namespace the killer goes with the rest, so it is started again.
sweep() {
  if [ "$mode" = group ]; then
    signal_group KILL
    : >"$box/group"
    return
  fi
  # First the kill, which no fork escapes, and then the look: before it, a process could fork and end behind the look's back.
  everybody KILL
  killer=
  # Each empty subshell is a short wait that also collects the dead.
  while others; do (:); done
  start_killer
}

# Sets `program` to the file that command $1 names, searched in PATH $2: a shell's own echo or exit must not run instead.
seek() {
  program=$1
  case $1 in */*) return ;; esac
  program=
  absent=missing
  rest=$2:
  while [ -n "$rest" ]; do
    folder=${rest%%:*}
    rest=${rest#*:}
    [ -f "${folder:-.}/$1" ] || continue
    if [ -x "${folder:-.}/$1" ]; then
      program=${folder:-.}/$1
      return
    fi
    absent=denied
  done
}

# begin <n> <folder> <working folder>
begin() {
  why=
  cd "$2" 2>/dev/null || {
    why=no-folder
    return 127
  }
  [ -z "$3" ] || cd "$3" 2>/dev/null || {
    why=no-working-dir
    return 127
  }
  unset OLDPWD
  [ -n "$program" ] || {
    why=$absent
    return 127
  }
}

# In the process of command $1 (mode group): waits for `watch`. A number of an earlier command is of one that died here.
gate() {
  while read -r number <&5; do
    [ "$number" != "$1" ] || return 0
  done
}

# watch <n> <pid>: lets the command begin, and waits for its end (mode group).
watch() {
  echo "$2" >"$box/group"
  echo "$1" >&5
  wait "$2"
}

# end <n> <status>
end() {
  if [ "$mode" = group ]; then
    sweep
  else
    code=$2
    number=$1
    set -- /proc/[0-9]*
    [ $# -le 2 ] || sweep
    set -- "$number" "$code"
  fi
  case $why$2 in
    126) [ -x "$program" ] && [ ! -d "$program" ] || why=denied ;;
    127) [ -e "$program" ] || why=missing ;;
  esac
  echo "exit $1 $2 $why" >&4
}

cd "$box" || exit
: >"$box/group"
start_killer
echo "ready $mode" >&4
