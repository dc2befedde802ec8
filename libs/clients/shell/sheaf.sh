# Datum batching for Sheaf: one shell that takes datum after datum. POSIX sh. Source it, define `datum`, call `datums`:
#
#     . ./sheaf.sh
#     datum() { wc -c <"$SHEAF_INPUT" >"$SHEAF_OUT/size"; }
#     datums
#
# The status of `datum` is that of the datum; what stands in `sheaf_message` goes with a failure. `exit` ends the program,
# which costs the datum one try, and Sheaf starts the program again. `set -e` does not hold inside of `datum`, for its status
# is looked at: write `|| return` behind what may fail.

datums() {
  exec 3<"$SHEAF_DATUMS" 4>"$SHEAF_RESULTS"
  while read -r sheaf_number sheaf_file <&3; do
    sheaf_message=
    . "$sheaf_file"
    if datum 3<&- 4>&-; then
      echo "ok $sheaf_number" >&4
    else
      sheaf_status=$?
      # An answer is one line, and echo of some shells reads backslashes.
      case $sheaf_message in *"
"*) sheaf_message=$(printf %s "$sheaf_message" | tr '\n' ' ') ;; esac
      printf 'fail %s %s %s\n' "$sheaf_number" "$sheaf_status" "$sheaf_message" >&4
    fi
  done
}
