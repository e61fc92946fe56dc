/**
 * rspamd — asks rspamd for a score, and rejects or marks mail by it.
 *
 *     rspamd 127.0.0.1:11333                   rspamd's normal worker, or its socket /run/rspamd/…; without either the
 *                                              check is off, and the log says so once
 *     rspamd 127.0.0.1:11333 reject=15 mark=6  the thresholds (these are the defaults): from 15 on rejected and
 *                                              archived, from 6 on taken with a field X-SPAM-RESULT; `never` for none
 *
 *     rspamd 127.0.0.1:11333 join=0.5          below reject=, half of its score joins the points of other checks, whose
 *                                              sum the plugin score judges; a negative one speaks for the mail
 *
 * Rspamd's own action `soft reject` (its rate limits) defers; `reject` and its other actions do not count, the score
 * does. Arguments behind that: down=defer or down=pass, timeout=20, size=25m (see shared/scanner.ts). Not part of
 * checks/all.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { type Mail, type Plugin, defer } from '../src/hooks/check.js';
import { asciiText, printable } from '../src/mail/text.js';
import { defineScanner, drained, type Scanner, ScannerDown } from './shared/scanner.js';
import { judgeScore, type ScorerAnswer, scoreUseOf } from './shared/spam-score.js';

export default function rspamd(args: readonly string[]): Plugin {
  const { use, rest } = scoreUseOf(args, { reject: 15, mark: 6 });
  return defineScanner({
    name: 'rspamd',
    inAll: false,
    args: rest,
    async scan(mail, scanner) {
      const { score, action, rules } = readAnswer(await post(mail, scanner));
      if (action === 'soft reject') return defer('Try again later', `rspamd ${score}, soft reject: ${rules}`);
      return judgeScore(mail, 'rspamd', { score, rules }, use);
    },
  });
}

const maxAnswer = 1 << 20; // octets

/** The message to /checkv2, with the envelope in the fields that rspamd's protocol has for it; the answer's text. */
async function post(mail: Mail, { place, timeoutMs }: Scanner): Promise<string> {
  const { session, reversePath, recipients, message, host, id } = mail;
  const client = await session.clientName();
  const sent = request({
    ...('path' in place ? { socketPath: place.path } : { host: place.host, port: place.port }),
    method: 'POST',
    path: '/checkv2',
    agent: false,
    headers: {
      Host: 'rspamd',
      'Content-Length': message.size,
      IP: session.clientIp.text,
      Helo: asciiText(session.helo),
      From: asciiText(reversePath),
      Rcpt: recipients.slice(0, 100).map(({ text }) => asciiText(text)),
      'Queue-Id': id,
      'MTA-Name': host.hostname,
      ...(client.kind === 'confirmed' && { Hostname: asciiText(client.name) }),
    },
  });
  let late: NodeJS.Timeout | undefined;
  const answer = new Promise<string>((resolve, reject) => {
    const fail = (problem: string): void => reject(new ScannerDown(problem));
    late = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    sent.on('response', (response) => void bodyOf(response).then(resolve, (error: Error) => fail(error.message)));
    sent.on('error', (error) => fail(error.message));
  });
  const said = say(sent, message.parts());
  try {
    return await Promise.race([answer, said.then(() => answer)]);
  } finally {
    clearTimeout(late);
    sent.destroy();
    answer.catch(() => undefined);
    said.catch(() => undefined);
  }
}

/**
 * The last piece goes with the end: an end alone is one more write, of nothing, and breaks the connection (EPIPE) that
 * rspamd has answered on and closed by then.
 */
async function say(sent: ClientRequest, parts: MessageParts): Promise<void> {
  let last: Buffer | undefined;
  for await (const part of parts) {
    if (sent.destroyed) return;
    if (last && !sent.write(last)) await drained(sent);
    last = part;
  }
  if (last) sent.end(last);
  else sent.end();
}

type MessageParts = ReturnType<Mail['message']['parts']>;

async function bodyOf(response: IncomingMessage): Promise<string> {
  let body = '';
  if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}`);
  for await (const part of response.setEncoding('utf8')) {
    body += part as string;
    if (body.length > maxAnswer) throw new Error('its answer has no end');
  }
  if (!response.complete) throw new Error('its answer is cut off');
  return body;
}

interface RspamdScore extends ScorerAnswer {
  readonly action: string;
}

function readAnswer(body: string): RspamdScore {
  const value = parsed(body);
  const [score, action, symbols] = ['score', 'action', 'symbols'].map((key) => value[key]);
  if (typeof score !== 'number' || !Number.isFinite(score) || typeof action !== 'string')
    throw new ScannerDown(`rspamd says ${printable(body, 200)}`);
  const rules = typeof symbols === 'object' && symbols !== null ? Object.keys(symbols) : [];
  return { score, action, rules: printable(rules.join(', '), 300) };
}

function parsed(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
