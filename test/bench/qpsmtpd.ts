/**
 * Debian's qpsmtpd (https://smtpd.github.io/qpsmtpd) set up for the work that postern does: one domain, its mailbox
 * looked up as a file, a Date: field required (its own `headers`), what is accepted handed on by its own
 * queue/smtp-forward. Mail to an unknown recipient is read, written to a maildir with a line in an index, and refused
 * with 554; without a sync, which the plugins that postern succeeds did not do either.
 *
 * Found as QPSMTPD=/path/to/qpsmtpd-forkserver or -prefork, or in PATH.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { freePort } from '../support/free-port.js';
import { Child } from './child.js';
import { userForPeers } from './peer-user.js';
import { type Candidate, domain, filesIn, findProgram, hostname, mailbox, put } from './server.js';

const pluginFolders = (program: string): string[] =>
  ['/usr/share/qpsmtpd/plugins', join(dirname(program), 'plugins')].filter((folder) => existsSync(folder));

/** Quarantine and recipient in one plugin, as short as Perl allows. */
const plugin = `
use Qpsmtpd::Constants;
my $mails = 0;

sub register {
    my ($self, $qp, $dir) = @_;
    ($self->{_dir}) = $dir =~ m#^([-/\\w.]+)$#;
}

sub hook_rcpt {
    my ($self, $transaction, $recipient) = @_;
    my ($user) = lc($recipient->user) =~ /^([\\w.+-]+)$/;
    $transaction->notes('refused', $recipient->address)
      if lc($recipient->host) eq '${domain}' && !(defined $user && -e "$self->{_dir}/users/$user");
    return DECLINED;
}

sub hook_data_post {
    my ($self, $transaction) = @_;
    my $recipient = $transaction->notes('refused') or return DECLINED;
    my $dir = "$self->{_dir}/spam";
    my $name = time . ".$$" . '_' . $mails++ . '.${hostname}';
    open my $file, '>', "$dir/tmp/$name" or return DENYSOFT;
    print $file "Recipient: $recipient\\n", $transaction->header->as_string, "\\n";
    $transaction->body_resetpos;
    while (my $line = $transaction->body_getline) { print $file $line }
    close $file or return DENYSOFT;
    rename "$dir/tmp/$name", "$dir/new/$name" or return DENYSOFT;
    open my $index, '>>', "$dir/index" or return DENYSOFT;
    my $subject = $transaction->header->get('Subject');
    chomp $subject;
    print $index join("\\t", time, $transaction->sender->address, $recipient, $subject, $name), "\\n";
    close $index or return DENYSOFT;
    return (DENY, "No such user ($name)");
}
`;

/** It takes a hundred clients at most. */
const cells = ['c20m10', 'c1m10', 'c20m1', 'c4m5-1MB', 'c20m10-rejected'];

export const qpsmtpd: Candidate = {
  name: 'qpsmtpd',
  async start({ dir, sinkPort }) {
    const program = findProgram(process.env['QPSMTPD'], ['qpsmtpd-forkserver', '/usr/bin/qpsmtpd-forkserver']);
    if (program === undefined) return undefined;
    const port = await freePort();
    const plugins = [
      'bench_quarantine DIR',
      'rcpt_ok',
      'headers require From,Date',
      `queue/smtp-forward 127.0.0.1 ${sinkPort}`,
    ];
    const files = {
      [`users/${mailbox}`]: '',
      'spam/tmp/.keep': '',
      'spam/cur/.keep': '',
      'spam/new/.keep': '',
      'config/me': hostname,
      'config/rcpthosts': domain,
      'config/plugins': `${plugins.join('\n').replace('DIR', dir)}\n`,
      'config/plugin_dirs': [join(dir, 'plugins'), ...pluginFolders(program), ''].join('\n'),
      'config/logging': `logging/warn LOGINFO\n`,
      'config/spool_dir': join(dir, 'spool'),
      'plugins/bench_quarantine': plugin,
    };
    for (const [name, text] of Object.entries(files)) put(join(dir, name), text);
    const { name, user } = userForPeers(dir);
    const words = wordsFor(program, port, name);
    const env = { QPSMTPD_CONFIG: join(dir, 'config') };
    const child = new Child({ program, words, env, cwd: dir, log: join(dir, 'log'), ...(user && { user }) });
    const archived = (): number => filesIn(join(dir, 'spam'), 'new') - 1;
    return { port, child: await child.listening(port), judges: true, isSlow: true, cells, archived };
  },
};

/** Its limits are set so that none of them is met. */
function wordsFor(program: string, port: number, user: string): string[] {
  const shared = ['--listen-address', '127.0.0.1', '--port', String(port), '--max-from-ip', '100', '--user', user];
  const own = basename(program).endsWith('prefork')
    ? ['--children', '100']
    : ['--limit-connections', '100', '--no-rdns'];
  return [...shared, ...own];
}
