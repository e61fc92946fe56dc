/**
 * spamassassin — asks SpamAssassin's spamd for a score, and rejects or marks mail by it.
 *
 *     spamassassin 127.0.0.1:783                    or /run/spamd.sock; without either the check is off, and the log
 *                                                   says so once
 *     spamassassin 127.0.0.1:783 reject=10 mark=5   the thresholds (these are the defaults): from 10 on rejected and
 *                                                   archived, from 5 on taken with a field X-SPAM-RESULT; `never` for
 *                                                   none
 *
 *     spamassassin 127.0.0.1:783 join=1             below reject=, its score joins the points of other checks, whose
 *                                                   sum the plugin score judges
 *
 * Arguments behind that: down=defer or down=pass, timeout=20, size=25m (see shared/scanner.ts). Not part of
 * checks/all.
 */
import { type Mail, type Plugin } from '../src/hooks/check.js';
import { asciiText, printable } from '../src/mail/text.js';
import { defineScanner, exchange, ScannerDown } from './shared/scanner.js';
import { judgeScore, type ScorerAnswer, scoreUseOf } from './shared/spam-score.js';

export default function spamassassin(args: readonly string[]): Plugin {
  const { use, rest } = scoreUseOf(args, { reject: 10, mark: 5 });
  return defineScanner({
    name: 'spamassassin',
    inAll: false,
    args: rest,
    async scan(mail, scanner) {
      const answer = await exchange({ scanner, request: () => request(mail) });
      return judgeScore(mail, 'spamassassin', readAnswer(answer.toString('latin1')), use);
    },
  });
}

/** spamd/PROTOCOL: SYMBOLS, with the trace field on top by which SpamAssassin knows the client. */
async function* request({ message, session, host, reversePath }: Mail): AsyncIterable<Buffer> {
  const helo = session.helo.replace(/[^a-z0-9.:[\]-]/gi, '?') || 'unknown';
  const date = new Date().toUTCString().replace('GMT', '+0000');
  const top = Buffer.from(
    `Return-Path: <${asciiText(reversePath)}>\r\n` +
      `Received: from ${helo} (unknown [${session.clientIp.text}])\r\n\tby ${host.hostname} (postern) with ESMTP; ${date}\r\n`,
  );
  yield Buffer.from(`SYMBOLS SPAMC/1.5\r\nContent-length: ${top.length + message.size}\r\n\r\n`);
  yield top;
  yield* message.parts();
}

/**
 * SPAMD/1.1 0 EX_OK · Content-length: 7 · Spam: True ; 6.0 / 5.0 · empty line · the rules. What is cut off, or says
 * something else, is no answer.
 */
function readAnswer(answer: string): ScorerAnswer {
  const [, head = '', rules = ''] = /^SPAMD\/\d+\.\d+ 0 [^\r\n]*\r\n(.*?\r\n)\r\n(.*)$/s.exec(answer) ?? [];
  const [, score] = /^Spam: (?:True|False|Yes|No) ; (-?\d{1,6}(?:\.\d+)?) \/ -?[\d.]+\r$/im.exec(head) ?? [];
  const [, length] = /^Content-length: (\d+)\r$/im.exec(head) ?? [];
  if (score === undefined || length === undefined || rules.length < Number(length))
    throw new ScannerDown(`spamd says ${printable(JSON.stringify(answer), 200)}`);
  return { score: Number(score), rules: printable(rules.trim(), 300) };
}
