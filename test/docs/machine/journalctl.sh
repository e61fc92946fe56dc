#!/bin/sh
# journalctl -u UNIT: what the unit has written.
while [ $# -gt 0 ]; do [ "$1" = -u ] && cat "/var/log/${2%.service}.out"; shift; done
