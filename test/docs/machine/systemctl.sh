#!/bin/bash
# What systemctl does with our units and Postfix: starts what the unit says, as the user that it says; and ends it.
words=()
for word in "$@"; do case $word in --now | --quiet | -q) ;; *) words+=("$word") ;; esac; done
action=${words[0]}
units=/etc/systemd/system
pid() { cat "/run/unit-$1" 2>/dev/null; }
value() { sed -n "s/^$2=//p" "$units/$1.service" | tail -1; }
start() {
  [ "$1" = postfix ] && { postfix start; return; }
  [ -e "$units/$1.service" ] || { echo "Failed to start $1.service: Unit $1.service not found." >&2; return 5; }
  kill -0 "$(pid "$1")" 2>/dev/null && return
  local user; user=$(value "$1" User)
  for folder in $(value "$1" StateDirectory); do install -d -m755 -o "$user" -g "$user" "/var/lib/$folder"; done
  for folder in $(value "$1" LogsDirectory); do install -d -m750 -o "$user" -g "$user" "/var/log/$folder"; done
  mkdir -p "/run/$1"; : >"/run/$1.notify"
  setsid setpriv --reuid="$user" --regid="$user" --init-groups $(value "$1" ExecStart) >>"/var/log/$1.out" 2>&1 3>&- &
  echo $! >"/run/unit-$1"
  for _ in $(seq 600); do
    grep -qs 'listening\|starting' "/var/log/$1.out" && return
    kill -0 "$(pid "$1")" 2>/dev/null || { cat "/var/log/$1.out" >&2; return 1; }
    sleep 0.1
  done
  cat "/var/log/$1.out" >&2; return 1
}
stop() {
  [ "$1" = postfix ] && { postfix stop; return; }
  local one; one=$(pid "$1")
  [ -n "$one" ] || return 0
  kill "$one" 2>/dev/null
  for _ in $(seq 600); do kill -0 "$one" 2>/dev/null || break; sleep 0.1; done
  rm -f "/run/unit-$1" "/var/log/$1.out"
}
for name in "${words[@]:1}"; do
  unit=${name%.service}
  case $unit in
    *.socket | *.timer) [ -e "$units/$unit" ] || { echo "Unit $unit not found." >&2; exit 5; } ; continue ;;
  esac
  case $action in
    start | enable) start "$unit" ;;
    stop | disable) stop "$unit" ;;
    restart) stop "$unit"; start "$unit" ;;
    reload) kill -HUP "$(pid "$unit")" && sleep 1 ;;
    status | is-active) kill -0 "$(pid "$unit")" ;;
    *) echo "Unknown command verb $action." >&2; exit 1 ;;
  esac || exit
done
[ "$action" = daemon-reload ] || [ "${#words[@]}" -gt 1 ]
