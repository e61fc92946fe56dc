/**
 * Postfix as a before-queue filter's front (SMTPD_PROXY_README): its smtpd speaks with the client, looks the recipient
 * up, and hands each mail to the sink while the client waits. It keeps no refused mail. Root's, for Postfix needs it.
 */
import { existsSync } from 'node:fs';
import { Postfix } from '../support/postfix.js';
import { type Candidate, domain, mailbox } from './server.js';

export const postfix: Candidate = {
  name: 'Postfix',
  async start({ sinkPort }) {
    if (process.getuid?.() !== 0 || !existsSync('/usr/lib/postfix/sbin/master')) return undefined;
    const server = await Postfix.start({
      domains: [domain],
      recipients: [`${mailbox}@${domain}`],
      settings: [`smtpd_proxy_filter = 127.0.0.1:${sinkPort}`, 'default_process_limit = 250'],
    });
    const child = {
      greeting: '220 Postfix',
      pid: server.pid,
      stop: () => server.close(),
    };
    return { port: server.port, child };
  },
};
