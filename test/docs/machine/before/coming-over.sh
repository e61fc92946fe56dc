# Who comes over has files of all of these.
mkdir -p /srv/example.com/users/valid /etc/haraka /etc/qpsmtpd /etc/pyspf-milter /etc/default /etc/systemd/system
touch /srv/example.com/users/valid/alice
printf 'spf\ndns-list\nclamd\nqueue/smtp_forward\n' >/etc/haraka/plugins
echo example.net >/etc/haraka/host_list
printf 'host=127.0.0.1\nport=10025\n' >/etc/haraka/smtp_forward.ini
printf 'zones[]=zen.spamhaus.org\n' >/etc/haraka/dns-list.ini
printf 'check_relay\nqueue/smtp-forward 127.0.0.1 10025\n' >/etc/qpsmtpd/plugins
echo mx.example.com >/etc/qpsmtpd/me
printf 'HELO_reject = Fail\nMail_From_reject = Fail\nSocket = inet:8893@localhost\n' >/etc/pyspf-milter/pyspf-milter.conf
printf 'MILTER_SOCKET=inet:8891@127.0.0.1\nSPF_REGEX=^.*include:_spf\\.example\\.com.*$\n' >/etc/default/sos-milter
printf 'socket = inet:localhost:3000\n' >/etc/spf-milter.conf
mkdir -p /etc/rspamd/local.d && echo 'timeout = 300;' >/etc/rspamd/local.d/greylist.conf
touch /etc/systemd/system/qpsmtpd.service
yesterday=$(($(date -d yesterday +%-j) - 1))
mkdir -p /spam/$yesterday/example.com/new /spam/$yesterday/example.com/cur /spam/$yesterday/example.com/tmp
printf 'Recipient: carol@example.com\n\nSubject: hello\n\ntext\n' >/spam/$yesterday/example.com/new/1.mail
touch -d 'yesterday 12:00' /spam/$yesterday/example.com/new/1.mail
cd /root
