/** The folders that postern needs, the room that is left in them, the clock, and what else might empty them. */
import fs from 'node:fs';
import path from 'node:path';
import { errorText } from '../../mail/error-text.js';
import type { Settings } from '../../settings/settings.js';
import { sizeText } from '../../text/size.js';
import { rightsOf } from '../srv/findings.js';
import { quarantineOf } from '../wire.js';
import { type Diagnoses, type Diagnosis, failing, good, note, warning } from './diagnosis.js';

const asRoot = 'run postern doctor as root, or as the user of postern';

const read = 0o5;
const write = 0o7;

export function* examineFolders(settings: Settings): Generator<Diagnosis> {
  const { srv, spam, state } = settings;
  for (const [setting, folder, rights] of [
    ['srv', srv, read],
    ['spam', spam, write],
    ['state', state, write],
  ] as const) {
    const diagnosis = folderDiagnosis({ name: `${setting} = ${folder}`, folder, rights }, settings);
    if (diagnosis) yield diagnosis;
    else yield roomDiagnosis(`${setting} = ${folder}`, folder, rights);
  }
  yield* oldExpiry();
}

interface NeededFolder {
  /** It is how the finding calls it. */
  readonly name: string;
  readonly folder: string;
  readonly rights: number;
}

/** Returns undefined where it is as it should be. */
function folderDiagnosis({ name, folder, rights }: NeededFolder, { user }: Settings): Diagnosis | undefined {
  let stats;
  try {
    stats = fs.statSync(folder, { throwIfNoEntry: false });
  } catch (error) {
    // Such as a folder on the way that the user of this command may not enter.
    return failing('folders', `${name} cannot be looked at: ${errorText(error)}`, asRoot);
  }
  if (!stats)
    return rights === read
      ? failing('folders', `${name} is not there`, 'make it, or set srv to the tree of your domains')
      : note('folders', `${name} is not there yet`, 'serve makes it, where it may');
  if (!stats.isDirectory()) return failing('folders', `${name} is no folder`, 'mend the setting');
  if (!rightsOf(user)(stats, rights)) {
    const needed = rights === read ? 'read' : 'write to';
    return failing('folders', `${user || 'the user'} may not ${needed} ${name}`, `chown it to ${user || 'that user'}`);
  }
  if (rights === write && !isWritable(folder))
    return failing('folders', `${name} is on a file system that is mounted read-only`, 'mount it writable');
  return undefined;
}

/** Root may write to any folder, unless its file system is read-only. */
function isWritable(folder: string): boolean {
  try {
    fs.accessSync(folder, fs.constants.W_OK);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EROFS';
  }
}

const scarceOctets = 1e9;
const tooFewOctets = 1e8;

function roomDiagnosis(name: string, folder: string, rights: number): Diagnosis {
  if (rights === read) return good('folders', `${name} can be read`);
  const { bavail, bsize, files, ffree } = fs.statfsSync(folder);
  const free = bavail * bsize;
  const remedy = 'make room, or keep less (expire, expire_size, journal)';
  if (free < tooFewOctets) {
    const text = `${name} has ${sizeText(free)} left: what cannot be kept is deferred (452)`;
    return failing('folders', text, remedy);
  }
  // Some file systems do not count them.
  if (files > 0 && ffree < files / 100)
    return failing('folders', `${name} has ${ffree} of ${files} inodes left`, `${remedy}: each mail takes one`);
  if (free < scarceOctets) return warning('folders', `${name} has ${sizeText(free)} left`, remedy);
  return good('folders', `${name} can be written to, and has ${sizeText(free)} left`);
}

const cronPlaces = ['crontab', 'cron.d', 'cron.hourly', 'cron.daily', 'cron.weekly'].map((name) => `/etc/${name}`);

/** The predecessor's own expiry counts days from 0, and so takes all that was refused since midnight. */
export function* oldExpiry(places = [...cronPlaces, '/var/spool/cron/crontabs']): Generator<Diagnosis> {
  for (const file of places.flatMap(filesIn)) {
    if (path.basename(file) !== 'expire-quarantine' && !/^[^#\n]*expire-quarantine/m.test(textOf(file))) continue;
    yield failing(
      'folders',
      `${file} still runs expire-quarantine, which deletes each day what was refused since midnight`,
      'take it out: serve removes old mail by itself (expire)',
    );
  }
}

function filesIn(place: string): readonly string[] {
  try {
    return fs.statSync(place).isDirectory() ? fs.readdirSync(place).map((name) => path.join(place, name)) : [place];
  } catch {
    return []; // it is not there, or another user's
  }
}

const maxCron = 1_000_000;

function textOf(file: string): string {
  try {
    const stats = fs.statSync(file);
    return stats.isFile() && stats.size < maxCron ? fs.readFileSync(file, 'latin1') : '';
  } catch {
    return '';
  }
}

/** By the mails that are kept. */
export async function* examineClock(settings: Settings): Diagnoses {
  try {
    fs.accessSync(settings.spam, fs.constants.R_OK | fs.constants.X_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    return yield note('clock', `no kept mail tells whether it is right: ${errorText(error)}`, asRoot);
  }
  const problem = await quarantineOf(settings).clockProblem();
  if (problem === undefined) yield good('clock', `it says ${new Date().toISOString()}, which no kept mail contradicts`);
  else yield failing('clock', problem, 'set the clock, and have it kept right (NTP)');
}
