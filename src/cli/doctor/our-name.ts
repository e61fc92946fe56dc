/** Our name in the DNS: its addresses, their reverse names, and who answers there at port 25. */
import net from 'node:net';
import os from 'node:os';
import type { DnsAnswer } from '../../dns/resolver.js';
import { type Ip, reverseName } from '../../mail/ip.js';
import { type Result, wrong } from '../../mail/result.js';
import { type Diagnoses, type Diagnosis, type Examined, failing, good, note, warning } from './diagnosis.js';

/** Returns the addresses of our name. */
export async function* examineName({ settings, resolver }: Examined): Diagnoses<readonly Ip[]> {
  const { hostname } = settings;
  if (!hostname.includes('.')) {
    yield failing(
      'name',
      `hostname = ${hostname} is no whole name`,
      'set hostname to the name that your MX records have',
    );
    return [];
  }
  const [a, aaaa] = await Promise.all([resolver.lookup(hostname, 'A'), resolver.lookup(hostname, 'AAAA')]);
  for (const answer of [a, aaaa])
    if (answer.kind === 'failed')
      yield note('name', `the addresses of ${hostname} cannot be asked for: ${answer.problem}`);
  const addresses = [a, aaaa].flatMap((answer) => (answer.kind === 'found' ? answer.records : []));
  if (addresses.length === 0 && a.kind === 'void' && aaaa.kind === 'void')
    yield failing(
      'name',
      `${hostname} has no address in the DNS, so nobody finds us by it`,
      'publish an A or AAAA record, or set hostname to the name that has one',
    );
  for (const ip of addresses) yield reverseDiagnosis(ip, hostname, await resolver.lookup(reverseName(ip), 'PTR'));
  return addresses;
}

function reverseDiagnosis({ text: ip }: Ip, hostname: string, answer: DnsAnswer<string>): Diagnosis {
  const remedy = `ask who gives you the address to set its reverse name to ${hostname}: others distrust mail from it`;
  switch (answer.kind) {
    case 'failed':
      return note('name', `the reverse name of ${ip} cannot be asked for: ${answer.problem}`);
    case 'void':
      return warning('name', `${hostname} has ${ip}, which has no reverse name`, remedy);
    case 'found': {
      const names = answer.records.map((name) => name.toLowerCase().replace(/\.$/, ''));
      if (names.includes(hostname)) return good('name', `${hostname} has ${ip}, whose reverse name is ${hostname}`);
      return warning('name', `${hostname} has ${ip}, whose reverse name is ${names.slice(0, 3).join(', ')}`, remedy);
    }
  }
}

const answerMs = 5_000;

/** `port` is another than 25 in tests. What is heard from this machine may be other than what the world hears. */
export async function* examinePort(
  { settings }: Pick<Examined, 'settings'>,
  addresses: readonly Ip[],
  port = 25,
): Diagnoses {
  const { hostname } = settings;
  const own = ownAddresses();
  const heard = await Promise.all(addresses.map((ip) => greetingAt(ip, port)));
  for (const [i, { text: ip }] of addresses.entries()) {
    const greeting = heard[i];
    if (greeting === undefined) continue;
    if (greeting.ok) yield greetingDiagnosis(ip, greeting.value, hostname);
    else if (own.has(ip))
      yield failing(
        'port 25',
        `nothing answers at ${ip}: ${greeting.problem}`,
        'start postern serve, with listen = *:25',
      );
    else
      yield note(
        'port 25',
        `${ip} is no address of this machine, and does not answer to it: ${greeting.problem}`,
        `try it from elsewhere, as with nc ${ip} 25`,
      );
  }
}

function greetingDiagnosis(ip: string, greeting: string, hostname: string): Diagnosis {
  if (!/^220[ -]/.test(greeting))
    return failing('port 25', `${ip} answers "${greeting}"`, 'mend that: every client is turned away by it');
  if (greeting.toLowerCase().includes(hostname))
    return good(
      'port 25',
      `${ip} answers ${hostname}, as far as this machine can tell; a firewall may treat others otherwise`,
    );
  return warning(
    'port 25',
    `${ip} answers "${greeting}", which is not our name`,
    'another server has the port: postern takes no mail there',
  );
}

const ownAddresses = (): ReadonlySet<string> =>
  new Set(Object.values(os.networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []));

const maxGreeting = 1_000;

/** The first line that is said there. */
function greetingAt({ text }: Ip, port: number): Promise<Result<string>> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: text, port });
    const settle = (result: Result<string>): void => {
      clearTimeout(timer);
      socket.end('QUIT\r\n');
      socket.destroySoon();
      resolve(result);
    };
    const timer = setTimeout(() => settle(wrong(`no answer within ${answerMs / 1000} s`)), answerMs);
    let heard = '';
    socket.on('data', (octets) => {
      heard += octets.toString('latin1');
      if (heard.includes('\n') || heard.length > maxGreeting)
        settle({ ok: true, value: heard.split(/[\r\n]/)[0] ?? '' });
    });
    socket.on('error', (error: NodeJS.ErrnoException) => settle(wrong(error.code ?? error.message)));
    socket.on('end', () => settle(wrong('it closes the connection')));
  });
}
