#!/bin/bash
# postern, as npm link makes it. The journal has a mail some moments after its client has heard: whoever asks for it here
# is faster than people are, and so asks again.
node() { /usr/local/bin/node /opt/postern/dist/src/main.js "$@"; }
[ "$1" = track ] || exec /usr/local/bin/node /opt/postern/dist/src/main.js "$@"
for _ in $(seq 100); do
  said=$(node "$@" 2>&1) && break
  sleep 0.1
done
node "$@"
