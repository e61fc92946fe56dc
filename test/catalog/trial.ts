/**
 * `npm run trial:fleet`: three hosts on loopback that share a catalog, with the engines that are installed (PostgreSQL
 * is a must; a Redis, an S3 server). Sends mail to each, says where to look, and takes everything away at its end.
 */
import { RedisServer } from '../support/redis.js';
import { hasPeer } from '../support/peers.js';
import { postgresBin, Postgres } from '../support/postgres.js';
import { hasStore, Versitygw } from '../support/versitygw.js';
import { Fleet } from './fleet.js';
import { emptyCatalog, waitFor } from './support.js';

const say = (text: string): boolean => process.stdout.write(`${text}\n`);

const smtpPort = 2530;
const pagePort = 8030;

async function trial(ends: (() => unknown)[]): Promise<void> {
  const server = await Postgres.start();
  ends.push(() => server.end());
  const redis = hasPeer('redis-server') ? await RedisServer.start() : undefined;
  if (redis) ends.push(() => redis.kill());
  const store = hasStore() ? await Versitygw.start() : undefined;
  if (store) ends.push(() => store.end());
  const database = await emptyCatalog(server);
  ends.push(() => database.close());
  const after = (end: () => unknown): void => void ends.push(end);
  const fleet = await Fleet.start(
    { after },
    {
      hosts: 3,
      settings: [
        `catalog=${server.url}`,
        `bodies=${store?.url ?? ''}`,
        `store=${redis?.url ?? ''}`,
        'digest_url=http://127.0.0.1:8031',
      ],
      own: (host) => [`listen=127.0.0.1:${smtpPort + host}`, `web=127.0.0.1:${pagePort + host}`],
    },
  );
  for (const [i, host] of fleet.hosts.entries())
    for (let n = 0; n <= i; n++) await host.refuse(`Refused by ${host.name}, ${n + 1} of ${i + 1}`);
  await waitFor(database, 'body', 6);
  const [first] = fleet.hosts;
  const token = /#token=(\w+)/.exec((await first?.postern('web', 'token', 'you'))?.stdout ?? '')?.[1] ?? '';
  const status = await first?.postern('catalog', 'status');
  say(`PostgreSQL${store ? ', versitygw (S3)' : ''}${redis ? ', Redis' : ''}, and three hosts:\n`);
  for (const [i, host] of fleet.hosts.entries())
    say(
      `  ${host.name}  mail to 127.0.0.1:${smtpPort + i + 1}  page http://127.0.0.1:${pagePort + i + 1}/login#token=${token}`,
    );
  say(`\n${status?.stdout ?? ''}`);
  const files = fleet.hosts.map((host) => host.writeConfig());
  say('Each page has the six mails that the three have refused. Release one on two pages: it is delivered once, to');
  say(`  ${fleet.folder}/sink/new`);
  say('Commands, here of the second host; the others have a file each as well:');
  for (const words of ['quarantine list', 'track to:nobody', 'audit', 'catalog status', 'catalog check', 'doctor'])
    say(`  node dist/src/main.js ${words} -c ${files[1] ?? ''}`);
  say(`More mail: swaks --server 127.0.0.1:${smtpPort + 2} --to nobody@example.com`);
  say(`Stop the database, and start it again: kill -INT ${server.pid}; kill -USR2 ${process.pid}`);
  say('Ctrl-C ends all.');
  process.on('SIGUSR2', () => {
    (async () => {
      await server.kill();
      await server.restart();
    })().then(
      () => say('The database is there again.'),
      (error: unknown) => say(String(error)),
    );
  });
  await new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
}

if (postgresBin() === undefined) {
  say('trial:fleet needs PostgreSQL (Debian: apt install postgresql); nothing is done with one that runs already');
  process.exitCode = 69;
} else {
  const ends: (() => unknown)[] = [];
  try {
    await trial(ends);
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}
