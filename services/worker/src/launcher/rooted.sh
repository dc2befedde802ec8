# Gives a launcher a root folder of its own with a link /pfs in it, which the worker points at each datum (pfs-link.ts). The machine's
# root folder is not touched: the new one is a small file system in memory that holds the old one's entries, each bound to
# itself. Runs as process 1 of a PID and mount namespace, as root. What fails ends it: the worker then starts a launcher without /pfs.
#
#   sh -c "$(cat rooted.sh)" sheaf-launcher <box> <given> <link>
#
# /.sheaf/given is the folder <given>, /.sheaf/pfs the folder <link>, wherever these lie: a command that runs as another user
# could not pass through the worker's folders. Both are named as in a table of mounts.
#
# pivot_root and not chroot: in a chroot no command can make a user namespace (sandboxes, browsers).
set -e
umask 022
box=$1
root=$box/root
given=$2
link=$3
mkdir "$root"
mount -t tmpfs -o size=1m,mode=755 sheaf "$root"
# The folder that holds the box is bound without this.
mount --make-unbindable "$root"
# One process for all folders, and one for all binds: each costs a launcher's start a millisecond or more.
set --
for entry in /* /.[!.]*; do
  case $entry in
    /pfs | /.sheaf) continue ;;
    # An odd name, or a pattern that matched nothing. The first cannot stand in a table of mounts as it is.
    *[!A-Za-z0-9/._+-]*) [ -e "$entry" ] && exit 1 || continue ;;
  esac
  if [ -L "$entry" ]; then
    cp -P "$entry" "$root$entry"
    continue
  elif [ -d "$entry" ]; then
    set -- "$@" "$root$entry"
  else
    : >"$root$entry"
  fi
  echo "$entry $root$entry none rbind 0 0" >&3
done 3>"$box/binds"
ln -s /.sheaf/pfs/now "$root/pfs"
mkdir "$@" "$root/.old" "$root/.sheaf" "$root/.sheaf/given" "$root/.sheaf/pfs"
echo "$given $root/.sheaf/given none bind 0 0
$link $root/.sheaf/pfs none bind 0 0" >>"$box/binds"
mount -a -T "$box/binds"
cd "$root"
pivot_root . .old
cd /
umount -l /.old
rmdir /.old
# What a command writes to / would be gone with the launcher: it is told so.
mount -o remount,ro,bind /
exec sh 3<>"$box/requests" <"$box/requests" 3>&-
