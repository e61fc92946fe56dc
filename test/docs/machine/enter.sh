#!/bin/sh
# Makes the machine and runs the script in it: enter.sh FOLDER TREE NODE OUTPUT. It is the first process of namespaces
# of its own, and all that it starts ends with it.
set -e
folder=$1 tree=$2 node=$3 output=$4
exec >>"$output" 2>&1 3>>"$output"
root=$folder/root
mount --make-rprivate /
# 75: this machine lets nobody make another one of it.
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root" || exit 75
for part in /usr /etc /var; do mountpoint -q "$part" && mount --bind "$part" "$root$part"; done
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/opt/postern" "$root/opt/node" "$root/run/lock"
mount --bind "$tree" "$root/opt/postern"
mount -o remount,bind,ro "$root/opt/postern"
# A machine that runs tests may be busier than an MX should be.
sed 's/^system_load .*/# &/' "$tree/plugins/plugins" >"$folder/plugins"
mount --bind "$folder/plugins" "$root/opt/postern/plugins/plugins"
mount --bind "$(dirname "$node")" "$root/opt/node"
cp "$folder/script" "$root/tmp/script"
ip link set lo up
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
hostname mx.example.com
exec chroot "$root" /bin/sh /opt/postern/test/docs/machine/furnish.sh
