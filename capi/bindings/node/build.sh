#!/bin/sh
# build.sh [OUTPUT]: trust.node, with the C compiler alone. The library is taken from
# $TRUST_LIB_DIR, its header from $TRUST_INCLUDE_DIR, else both as pkg-config says; it must be the
# build with OpenSSL inside (-DTRUST_STATIC_DEPS=ON), and is looked for beside the addon as well.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
output=${1:-$here/trust.node}

node=${NODE:-node}
headers=
for directory in "$(dirname "$(dirname "$("$node" -p process.execPath)")")/include/node" \
  /usr/include/node /usr/include/nodejs; do
  if [ -z "$headers" ] && [ -f "$directory/node_api.h" ]; then headers=$directory; fi
done
if [ -z "$headers" ]; then
  echo "build.sh: no node_api.h (apt-get install libnode-dev)" >&2
  exit 1
fi

if [ -n "${TRUST_LIB_DIR:-}" ]; then
  libs="-L$TRUST_LIB_DIR -Wl,-rpath,$TRUST_LIB_DIR -ltrust"
else
  libs=$(pkg-config --libs trust)
fi
if [ -n "${TRUST_INCLUDE_DIR:-}" ]; then
  cflags=-I$TRUST_INCLUDE_DIR
else
  cflags=$(pkg-config --cflags trust)
fi

# An RPATH, and no RUNPATH: LD_LIBRARY_PATH may name a build that shares Node's OpenSSL.
# shellcheck disable=SC2016,SC2086  # $ORIGIN is for the loader; lists of words
exec "${CC:-cc}" -std=c11 -O2 -Wall -Wextra -fPIC -shared -fvisibility=hidden \
  -isystem "$headers" $cflags "$here/binding.c" -o "$output" -Wl,--disable-new-dtags '-Wl,-rpath,$ORIGIN' $libs
