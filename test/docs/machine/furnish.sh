#!/bin/sh
# The machine as the pages find it: a Debian with Postfix on port 25 for example.com, and postern in /opt/postern and in
# the PATH, that nobody has set up yet. Then it runs the script.
set -e
cd /opt/postern/test/docs/machine
rm -rf /srv/* /spam /var/lib/postern /etc/postern /etc/postern.conf /etc/spf-milter.conf /etc/cron.d/* /etc/letsencrypt
for name in postern systemctl mail journalctl; do install -m755 "$name.sh" "/usr/local/bin/$name"; done
ln -sf "$(command -v node || echo /opt/node/node)" /usr/local/bin/node 2>/dev/null || ln -sf /opt/node/node /usr/local/bin/node
printf '127.0.0.1 localhost\n192.0.2.1 mx.example.com mx\n' >/etc/hosts
ip address add 192.0.2.1/24 dev lo
printf 'nameserver 127.0.0.1\n' >/etc/resolv.conf
/usr/local/bin/node dns.mjs >/dev/null 2>&1 3>&- &
for _ in $(seq 300); do ss -Hlun sport = :53 | grep -q . && break; sleep 0.1; done
for user in alice bob anna; do getent passwd $user >/dev/null || useradd -m $user; done
postconf -e myhostname=mx.example.com mydestination=example.com,localhost home_mailbox=Maildir/ maillog_file=/var/log/mail.log \
  smtputf8_enable=no alias_maps= local_recipient_maps=unix:passwd.byname inet_protocols=ipv4
printf '%s\n' 'postlog unix-dgram n - n - 1 postlogd' | while read -r line; do grep -q '^postlog' /etc/postfix/master.cf || echo "$line" >>/etc/postfix/master.cf; done
postconf -F '*/*/chroot = n'
postfix start >/dev/null 2>&1
# As certbot leaves it.
mkdir -p /etc/letsencrypt/live/mx.example.com
openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=mx.example.com -addext subjectAltName=DNS:mx.example.com \
  -keyout /etc/letsencrypt/live/mx.example.com/privkey.pem -out /etc/letsencrypt/live/mx.example.com/fullchain.pem 2>/dev/null
cd /root
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 PAGER=cat \
  /bin/bash /tmp/script
