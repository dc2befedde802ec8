# pid1.sh <slot>: process 1 of a container in which the commands of one slot run, beside the worker's own container.
#
#   <volume>/bin/busybox sh <volume>/bin/pid1.sh 0
#
# It uses no program but that busybox: the image is the user's, and may have no shell at all. It waits, without looking at a clock, for
# a worker to put the folder of a launcher's life through its door, and becomes that launcher (launcher.sh); when the life is over, it
# ends all that is left of it, and waits for the next. Whenever it ends itself, all in the container ends with it, and the worker reads
# the end of `events`.
#
# The worker may go at any moment, and to open a FIFO waits for its other end. So one is opened for both directions first, and a life
# begins only when its first line can be read: a worker that is gone has left the end of file there, or no folder.

l_slot=$1
l_root=${0%/bin/pid1.sh}
l_busybox=$l_root/bin/busybox
l_door=$l_root/control/doors/$l_slot
l_over=

if [ ! -p "$l_door" ]; then
  echo "sheaf: $l_door is no FIFO: install.sh must have run for this slot before" >&2
  exit 1
fi

while [ -z "$l_over" ]; do
  cd /
  # Nobody has it in use: told to end, it does.
  trap 'exit 0' TERM
  exec 3<>"$l_door"
  read -r l_box <&3
  exec 3>&-
  # In use: it ends with the worker, whose commands may still run.
  trap 'l_over=yes' TERM
  [ -p "$l_box/requests" ] || continue
  exec 3<>"$l_box/requests" 6<"$l_box/requests" 3>&-
  if read -r l_line <&6; then
    exec 3<>"$l_box/requests" 6<&-
    # The first of the lines closes 3.
    . "$l_box/requests"
    kill -KILL -1 2>/dev/null
    exec 3<&- 4<&- 5<&-
    wait
  fi
  exec 6<&-
done
