#!/bin/bash
# postern, as npm link makes it. The journal has a mail some moments after its client has heard: whoever asks for it here
# is faster than people are, and so asks again; but for what is not there (would:).
postern=(/usr/local/bin/node /opt/postern/dist/src/main.js "$@")
case "$1 $2" in 'track would:'*) ;; track*) asked=100 ;; esac
for _ in $(seq ${asked-0}); do
  said=$("${postern[@]}" 2>&1) && break
  sleep 0.1
done
exec "${postern[@]}"
