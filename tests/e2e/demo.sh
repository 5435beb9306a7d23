#!/bin/sh
# demo.sh P2PCP: two identities on this machine, a rendezvous between them,
# three files across. Shows each command before it runs; fails if a byte is
# not what it should be.
set -eu

p2pcp=$1
folder=$(mktemp -d "${TMPDIR:-/tmp}/p2pcp-demo.XXXXXX")
serve_pid=''
recv_pid=''

finish() {
  status=$?
  trap - EXIT INT TERM
  for pid in $recv_pid $serve_pid; do
    ! kill "$pid" 2>/dev/null || wait "$pid" 2>/dev/null || true
  done
  rm -rf "$folder"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

show() { printf '\n\033[1m%s\033[0m\n' "$*" >&2; }
[ -t 2 ] || show() { printf '\n%s\n' "$*" >&2; }
as() {
  home=$1
  shift
  P2PCP_HOME="$folder/$home" "$p2pcp" "$@"
}

show '$ p2pcp serve --bind 127.0.0.1'
"$p2pcp" serve --bind 127.0.0.1 --broker-port 0 --stun-port 0 \
  >"$folder/serve" &
serve_pid=$!
tries=0
until [ -s "$folder/serve" ]; do
  kill -0 "$serve_pid"
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || { echo 'p2pcp serve did not start' >&2; exit 1; }
  sleep 0.1
done
rendezvous=$(cat "$folder/serve")
echo "$rendezvous" >&2

show 'Two identities, and each in the other one'"'"'s contact book'
as alice peers add bob "$(as bob id)"
as bob peers add alice "$(as alice id)"

mkdir "$folder/in" "$folder/out"
head -c 268435456 /dev/urandom >"$folder/in/holiday.mp4"
: >"$folder/in/empty.txt"
printf x >"$folder/in/one-byte.bin"

for name in holiday.mp4 empty.txt one-byte.bin; do
  show "\$ p2pcp send $name --to bob      \$ p2pcp recv --from alice"
  # Word splitting is wanted: two options with their values.
  # shellcheck disable=SC2086
  as bob recv --from alice --out "$folder/out" --timeout 30 --progress never \
    $rendezvous 2>"$folder/recv.log" &
  recv_pid=$!
  # shellcheck disable=SC2086
  as alice send "$folder/in/$name" --to bob --timeout 30 $rendezvous
  wait "$recv_pid" || { cat "$folder/recv.log" >&2; exit 1; }
  recv_pid=''
  cmp "$folder/in/$name" "$folder/out/$name"
  digest=$(xxh128sum -q "$folder/out/$name" | cut -d ' ' -f 1)
  grep -q "$digest" "$folder/recv.log" || {
    echo "xxh128sum prints $digest, p2pcp something else:" >&2
    cat "$folder/recv.log" >&2
    exit 1
  }
  echo "xxh128sum says $digest as well" >&2
done

show 'Three files, the same to the last bit.'
