# The launcher: a POSIX shell that stays alive and runs the command of one datum after another (L10: a spawn from Node per
# datum costs three times as much). It needs nothing but sh, so that the same program runs in a user's container.
#
# It reads its own standard input, the FIFO `requests`: shell commands that the worker wrote, so that the shell's parser is
# the protocol and argv arrives untouched. Other FIFOs in the shared folder $box:
#   control   worker -> killer     "term <n>", "kill <n>"
#   events    launcher -> worker   "ready <mode>", "exit <n> <status> <why>", "did <order> <n>"
#   out, err  command -> worker    its two streams
# The end of `requests` and `control` means that the worker is gone: everything ends.
#
# Nothing of a datum is alive when its exit is told. Modes:
#   namespace  this shell is process 1 of a PID namespace of its own: it may kill all others, daemons too
#   group      elsewhere: the command's process group (setsid), which a process can leave
# A kill of everybody outside a namespace would end the machine's other processes: `everybody` alone does it, and asks.

umask 022
ulimit -c 0
exec 4>"$box/events"

if [ "$$" = 1 ] && [ -d /proc/1 ]; then mode=namespace; else mode=group; fi
setsid=$(command -v setsid)
env=$(command -v env)
program=
absent=missing

everybody() {
  [ "$$" = 1 ] && kill "-$1" -1 2>/dev/null
}

# Sends signal $1 to all that the datum left or runs.
signal_all() {
  if [ "$mode" = namespace ]; then
    everybody "$1"
  elif read -r target 2>/dev/null <"$box/group" && [ "${target:-0}" -gt 1 ]; then
    if [ -n "$setsid" ]; then kill "-$1" "-$target" 2>/dev/null; else kill "-$1" "$target" 2>/dev/null; fi
  fi
}

# A process of its own, because this shell waits for the command in the foreground.
killer() {
  while read -r order n; do
    case $order in
      term) signal_all TERM ;;
      kill) signal_all KILL ;;
    esac
    echo "did $order $n" >&4
  done <"$box/control"
  signal_all KILL
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
    signal_all KILL
    : >"$box/group"
    return
  fi
  others || return
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

# Waits for the command that was started in the background (mode group).
watch() {
  echo "$1" >"$box/group"
  wait "$1"
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
