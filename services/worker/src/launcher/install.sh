# install.sh <volume> <slots>: prepares the volume that a worker shares with the containers in which its commands run. Run once by the
# busybox that lies beside it, before any of them.
set -e
from=${0%/install.sh}
control=$1/control
"$from/busybox" mkdir -p "$1/bin" "$control/doors" "$control/pfs"
"$from/busybox" cp "$from/busybox" "$from/pid1.sh" "$from/launcher.sh" "$1/bin/"
slot=0
while [ "$slot" -lt "$2" ]; do
  [ -p "$control/doors/$slot" ] || "$from/busybox" mkfifo -m 600 "$control/doors/$slot"
  "$from/busybox" mkdir -p "$control/pfs/$slot"
  slot=$((slot + 1))
done
