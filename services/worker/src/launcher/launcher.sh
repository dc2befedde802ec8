# The launcher: a POSIX shell that stays alive and runs the command of one datum after another (L10: a spawn from Node per
# datum costs three times as much). It needs nothing but sh, so that the same program runs in a user's container.
#
# Its shell reads the FIFO `requests`: shell commands that the worker wrote, of which this file is the first, so that the shell's
# parser is the protocol and argv arrives untouched. Other FIFOs in the shared folder $box:
#   control   worker -> killer     "term <serial>", "kill <serial>"
#   events    launcher -> worker   "ready <mode>", "exit <n> <status> <why>", "did <serial> <hit or missed>"; each begins with the end
#                                  of a line, should a command have written there
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
#
# A command `sh -c SCRIPT` may be evaluated in a subshell of this shell (`take`, and inline.ts). All variables here begin with
# l_, so that they and a datum's own are not taken for each other.

umask 022
ulimit -c 0
exec 4<>"$l_box/events" 5<>"$l_box/start"

if [ "$$" = 1 ] && [ -d /proc/1 ]; then l_mode=namespace; else l_mode=group; fi
l_setsid=$(command -v setsid)
l_env=$(command -v env)
l_setpriv=$(command -v setpriv)
l_shell=$(command -v sh)
# Takes from a subshell what a script must not see of this shell. On one line: a script's own lines are counted from it.
l_forget='unset -f everybody signal_group signal_all killer lives others start_killer sweep seek l_probe evaluate can_take take run begin gate watch end;'
l_forget="$l_forget unset -v l_absent l_answer l_box l_code l_entry l_env l_folder l_killer l_mode l_number l_order l_pids l_pids_max"
l_forget="$l_forget l_program l_rest l_script l_serial l_setpriv l_setsid l_shell l_stat l_taken l_target l_why l_forget"
l_program=
l_absent=missing
l_pids=

everybody() {
  [ "$$" = 1 ] && kill "-$1" -1 2>/dev/null
}

# Signal $1 to the command's group. Fails when there is none: no command yet, no setsid, or nothing is left.
signal_group() {
  l_target=
  read -r l_target 2>/dev/null <"$l_box/group" && [ "${l_target:-0}" -gt 1 ] && kill "-$1" "-$l_target" 2>/dev/null
}

# Signal $1 to all that the datum runs. Fails when that is nothing.
signal_all() {
  case $l_mode in
    namespace) everybody "$1" ;;
    # Where setsid is, the bare id is not used: a command that has just ended may have left it to another process.
    *) signal_group "$1" || { [ -z "$l_setsid" ] && [ "${l_target:-0}" -gt 1 ] && kill "-$1" "$l_target" 2>/dev/null; } ;;
  esac
}

# A process of its own, because this shell waits for the command in the foreground.
killer() {
  while read -r l_order l_serial; do
    case $l_order in
      term) signal_all TERM ;;
      kill) signal_all KILL ;;
      *) continue ;; # The tail of a line that an earlier killer was reading when it was swept away.
    esac && l_answer=hit || l_answer=missed
    echo "
did $l_serial $l_answer" >&4
  done 3<>"$l_box/control" <"$l_box/control" 3>&-
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

# Whether the process with the folder $1 lives; zombies do not.
lives() {
  read -r l_stat 2>/dev/null <"$1/stat" || return 1
  case ${l_stat##*) } in Z* | X*) return 1 ;; esac
}

# Whether a process other than this shell and its killer lives.
others() {
  for l_entry in /proc/[0-9]*; do
    case ${l_entry#/proc/} in 1 | "$l_killer") continue ;; esac
    ! lives "$l_entry" || return 0
  done
  return 1
}

start_killer() {
  killer </dev/null >/dev/null 2>&1 &
  l_killer=$!
}

# Ends what the datum left alive. In a namespace the killer goes with the rest, so it is started again.
sweep() {
  if [ "$l_mode" = group ]; then
    signal_group KILL
    : >"$l_box/group"
    return
  fi
  # First the kill, which no fork escapes, and then the look: before it, a process could fork and end behind the look's back.
  everybody KILL
  # The dead count until they are collected, and to collect them takes a fork, which a shell that is refused one does not survive.
  [ -z "$l_pids" ] || echo max >"$l_pids"
  l_killer=
  # Each empty subshell is a short wait that also collects the dead.
  while others; do (:); done
  start_killer
  [ -z "$l_pids" ] || echo "$l_pids_max" >"$l_pids"
}

# Sets `program` to the file that command $1 names, searched in PATH $2: a shell's own echo or exit must not run instead.
seek() {
  l_program=$1
  case $1 in */*) return ;; esac
  l_program=
  l_absent=missing
  l_rest=$2:
  while [ -n "$l_rest" ]; do
    l_folder=${l_rest%%:*}
    l_rest=${l_rest#*:}
    [ -f "${l_folder:-.}/$1" ] || continue
    if [ -x "${l_folder:-.}/$1" ]; then
      l_program=${l_folder:-.}/$1
      return
    fi
    l_absent=denied
  done
}

# evaluate <name> <script>: a function that evaluates the script in a subshell, where lines are counted as in the script.
evaluate() {
  eval "$1() ( $l_forget; $2
)"
}

# Whether such a function does as `sh -c`: what it runs has its assignments, this shell not, and an error is told in the same words.
# (Bash names this file in it, and a line of this file.)
can_take() {
  l_script='sh -c "echo \$a"
l_nosuch'
  evaluate l_probe "$l_script"
  a=
  l_answer=$(a=1 l_probe 2>&1)
  a=1 l_probe >/dev/null 2>&1
  [ -z "$a" ] && [ "$l_answer" = "$(a=1 sh -c "$l_script" 2>&1)" ]
}

# take <n> <script>: from now on `run` evaluates the script in a subshell, as `sh -c` would, if that can be. A namespace is asked
# for because a subshell cannot leave this shell's process group. A script that this shell cannot parse to its end might end the
# function before its own end: then it is not defined, not even for a try.
take() {
  l_taken=no
  [ "$l_mode" = namespace ] && [ "$l_program" = "$l_shell" ] &&
    can_take && sh -n -c "$2" </dev/null >/dev/null 2>&1 &&
    evaluate run "$2" && l_taken=yes
  echo "
took $1 $l_taken" >&4
}

# begin <n> <folder> <working folder>
begin() {
  l_why=
  cd "$2" 2>/dev/null || {
    l_why=no-folder
    return 127
  }
  [ -z "$3" ] || cd "$3" 2>/dev/null || {
    l_why=no-working-dir
    return 127
  }
  unset OLDPWD
  [ -n "$l_program" ] || {
    l_why=$l_absent
    return 127
  }
}

# In the process of command $1 (mode group): waits for `watch`. A number of an earlier command is of one that died here.
gate() {
  while read -r l_number <&5; do
    [ "$l_number" != "$1" ] || return 0
  done
}

# watch <n> <pid>: lets the command begin, and waits for its end (mode group).
watch() {
  echo "$2" >"$l_box/group"
  echo "$1" >&5
  wait "$2"
}

# end <n> <status>
end() {
  if [ "$l_mode" = group ]; then
    sweep
  else
    l_code=$2
    l_number=$1
    set -- /proc/[0-9]*
    # This shell, its killer, and nobody else. The command may have killed the killer, of which a zombie is left: that has no program any
    # more. (To look at its state, as `lives` does, is 300 system calls: shells read a byte at a time.)
    { [ $# -eq 2 ] && [ -e "/proc/$l_killer/exe" ]; } || sweep
    set -- "$l_number" "$l_code"
  fi
  case $l_why$2 in
    126) [ -x "$l_program" ] && [ ! -d "$l_program" ] || l_why=denied ;;
    127) [ -e "$l_program" ] || l_why=missing ;;
  esac
  echo "
exit $1 $2 $l_why" >&4
}

cd "$l_box" || exit
: >"$l_box/group"
start_killer
echo "ready $l_mode" >&4
