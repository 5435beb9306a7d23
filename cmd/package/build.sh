#!/bin/sh
# Makes a Debian package, into FOLDER, of what stands below
# FOLDER/p2pcp-VERSION/stage/usr, and checks it with lintian.
# usage: build.sh PROGRAM FOLDER
# ./dev package calls it, with the program built and installed there.
set -eu
program=$1
folder=$2
here=$(cd "$(dirname "$0")" && pwd)
version=$("$program" --version | cut -d ' ' -f 2)

work=$folder/p2pcp-$version
cp -R "$here/debian" "$work/debian"
cp "$here/p2pcp-serve.service" "$work/debian/p2pcp.p2pcp-serve.service"
cp "$here/p2pcp-listen.service" "$work/debian/p2pcp.p2pcp-listen.user.service"
# What those who look after it, or write programs around it, read.
for document in SECURITY.md cmd/EVENTS.md cmd/RENDEZVOUS.md; do
  cp "$here/../../$document" "$work"
  basename "$document"
done >"$work/debian/docs"
cat >"$work/debian/changelog" <<TEXT
p2pcp ($version) unstable; urgency=medium

  * See CHANGELOG.md.

 -- The p2pcp authors <p2pcp@packages.debian.org>  $(date -R)
TEXT
cd "$work"
dpkg-buildpackage --build=binary --no-sign --no-check-builddeps >&2
cd "$folder"
lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs \
  ./*.changes >&2
