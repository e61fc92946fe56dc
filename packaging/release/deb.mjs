/**
 * Makes postern_VERSION_all.deb with dpkg-deb: the tree of stage.mjs in /usr/lib/postern, and around it what makes a
 * service of it. Nothing is started by its installation: port 25 has an owner who has to be asked.
 *
 *     node packaging/release/deb.mjs [FOLDER]
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { packagesNeeded, released, root, stage, version } from './stage.mjs';

/** 1.0.0-rc.1 comes before 1.0.0. */
export const debianVersion = version.replace('-', '~');
const packaging = join(root, 'packaging');
const maintainer = 'postern authors <maintainers@postern.example>';

/** Returns the file's path. */
export function makeDeb(folder) {
  const made = mkdtempSync(join(tmpdir(), 'postern-deb-'));
  const tree = join(made, 'tree');
  try {
    mkdirSync(tree);
    chmodSync(tree, 0o755);
    program(tree);
    service(tree);
    documents(tree);
    control(tree);
    sameTimes(tree);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `postern_${debianVersion}_all.deb`);
    execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '-z2', '--build', tree, file], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, SOURCE_DATE_EPOCH: String(released().getTime() / 1000) },
    });
    return file;
  } finally {
    rmSync(made, { recursive: true });
  }
}

function put(tree, path, content, mode = 0o644) {
  const file = join(tree, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content, { mode });
  chmodSync(file, mode);
}

function program(tree) {
  const lib = join(tree, 'usr/lib/postern');
  mkdirSync(lib, { recursive: true });
  stage(lib);
  for (const name of ['man', 'LICENSE', 'README.md', 'packaging']) rmSync(join(lib, name), { recursive: true });
  chmodSync(join(lib, 'dist/src/main.js'), 0o755);
  mkdirSync(join(tree, 'usr/bin'));
  symlinkSync('../lib/postern/dist/src/main.js', join(tree, 'usr/bin/postern'));
  for (const page of readdirSync(join(root, 'man')))
    put(tree, `usr/share/man/man${page.at(-1)}/${page}.gz`, gzipped(readFileSync(join(root, 'man', page))));
}

/** The first line of a file there tells those who copy it by hand where it goes. */
const withoutPlace = (text) => text.replace(/^# \/etc\/\S+?: /, '# ').replace(/^# \/etc\/\S+\n/, '');
const textOf = (...path) => withoutPlace(readFileSync(join(packaging, ...path), 'utf8'));

function service(tree) {
  for (const name of readdirSync(packaging))
    if (/\.(?:service|socket|timer)$/.test(name)) put(tree, `usr/lib/systemd/system/${name}`, textOf(name));
  for (const kind of ['sysusers.d', 'tmpfiles.d'])
    for (const name of readdirSync(join(packaging, kind))) put(tree, `usr/lib/${kind}/${name}`, textOf(kind, name));
  put(tree, 'etc/postern.conf', readFileSync(join(packaging, 'postern.conf')));
}

function documents(tree) {
  const doc = 'usr/share/doc/postern';
  const news = `postern (${debianVersion}) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n -- ${maintainer}  ${dateTime()}\n`;
  put(tree, `${doc}/changelog.gz`, gzipped(news));
  put(tree, `${doc}/copyright`, copyright());
  for (const name of ['README.md', 'CHANGELOG.md'])
    put(tree, `${doc}/${name}.gz`, gzipped(readFileSync(join(root, name))));
  for (const name of ['spf-milter.conf', 'monitoring', 'submission'])
    cpSync(join(packaging, name), join(tree, doc, 'examples', name), { recursive: true });
}

/** https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ */
function copyright() {
  const licence = readFileSync(join(root, 'LICENSE'), 'utf8');
  const [, years = ''] = /^Copyright \(c\) (.*)$/m.exec(licence) ?? [];
  const others = packagesNeeded();
  const kinds = [...new Set(others.map(({ license }) => short(license)))].filter((name) => name !== 'Expat');
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: postern',
    `Files: *\nCopyright: ${years}\nLicense: Expat`,
    ...others.map(
      ({ path, license }) =>
        `Files: usr/lib/postern/${path}/*\nCopyright: its authors, as ${basename(path)} names them\nLicense: ${short(license)}`,
    ),
    `License: Expat\n${indented(licence.slice(licence.indexOf('Permission is')))}`,
    ...kinds.map((name) => `License: ${name}\n The text is in the folder of the package that is under it.`),
  ]
    .join('\n\n')
    .concat('\n');
  function indented(text) {
    return text
      .trim()
      .split('\n')
      .map((line) => ` ${line === '' ? '.' : line}`)
      .join('\n');
  }
}

const short = (license) =>
  license === 'MIT' ? 'Expat' : license.replace(/[()]/g, '').replaceAll(/ (?:OR|AND) /g, '-or-');

function control(tree) {
  const kilobytes = Math.ceil(
    filesBelow(tree).reduce((sum, file) => sum + readFileSync(join(tree, file)).length, 0) / 1024,
  );
  put(
    tree,
    'DEBIAN/control',
    `Package: postern
Version: ${debianVersion}
Architecture: all
Maintainer: ${maintainer}
Installed-Size: ${kilobytes}
Depends: nodejs (>= 20.19), systemd | systemd-sysusers, systemd | systemd-tmpfiles
Recommends: default-mta | mail-transport-agent, ca-certificates
Section: mail
Priority: optional
Description: gate in front of a mail server: plugin-based SMTP front-end
 It stands at port 25 in front of Postfix or another MTA, as the public MX of
 many virtual domains. Marker files say which checks are on for which domain
 and who has a mailbox there. What is refused is kept in a quarantine, with
 the reason; what is accepted has been taken by the MTA behind. It is also a
 milter that verifies senders by SPF.
`,
  );
  put(tree, 'DEBIAN/conffiles', '/etc/postern.conf\n');
  const scripts = join(packaging, 'release/debian');
  for (const name of readdirSync(scripts)) put(tree, `DEBIAN/${name}`, readFileSync(join(scripts, name)), 0o755);
  const sums = filesBelow(tree)
    .filter((file) => !/^(?:DEBIAN|etc)\//.test(file))
    .map(
      (file) =>
        `${createHash('md5')
          .update(readFileSync(join(tree, file)))
          .digest('hex')}  ${file}\n`,
    );
  put(tree, 'DEBIAN/md5sums', sums.join(''));
}

/** Relative to the tree, in the order of their names, without links. */
const filesBelow = (tree) =>
  readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(tree.length + 1))
    .toSorted();

const gzipped = (text) => gzipSync(text, { level: 9 });

const dateTime = () => released().toUTCString().replace('GMT', '+0000');

function sameTimes(tree) {
  const time = released();
  for (const entry of readdirSync(tree, { recursive: true, withFileTypes: true }))
    if (!entry.isSymbolicLink()) utimesSync(join(entry.parentPath ?? entry.path, entry.name), time, time);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(makeDeb(resolve(process.argv[2] ?? 'var/release')));
