# The machine that docs/first-hour.md leaves behind: example.com with alice and bob, SPF, one mail taken, two refused.
cd /opt/postern
install -Dm644 -t /etc/sysusers.d packaging/sysusers.d/postern.conf && systemd-sysusers
install -Dm644 -t /etc/tmpfiles.d packaging/tmpfiles.d/postern.conf && systemd-tmpfiles --create postern.conf
cp packaging/postern.service packaging/postern.socket /etc/systemd/system/
mkdir -p /srv && postern srv add-domain example.com alice bob postmaster abuse
postern srv enable example.com spf helo sender
install -d /etc/postern && install -o postern -m 400 -t /etc/postern /etc/letsencrypt/live/mx.example.com/*.pem
cat >/etc/postern.conf <<'CONF'
listen   = *:25
relay    = 127.0.0.1:10025
hostname = mx.example.com
tls_cert = /etc/postern/fullchain.pem
tls_key  = /etc/postern/privkey.pem
CONF
postconf -M 127.0.0.1:10025/inet='127.0.0.1:10025 inet n - n - - smtpd'
for setting in smtpd_authorized_xforward_hosts=127.0.0.0/8 smtpd_relay_restrictions=reject_unauth_destination \
  smtpd_recipient_restrictions= smtpd_client_restrictions=
do postconf -P "127.0.0.1:10025/inet/$setting"; done
postconf -MX smtp/inet
postfix reload && systemctl enable --now postern.socket postern
send() { swaks --silent 3 --server mx.example.com --helo mx.example.com "$@" || true; }
send --from postmaster@example.com --to alice@example.com
send --from anna@sender.example --to alice@example.com
send --from postmaster@example.com --to carol@example.com
cd /root
