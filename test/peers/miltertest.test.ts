/** What no MTA does, but a filter must bear: scripts of miltertest, against `postern milter`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MilterFolder, startMilter } from '../cli/support/milter-child.js';
import { needPeer } from '../support/peers.js';
import { inTime } from '../support/until.js';

/** Each says the reply codes it got, as letters. */
const scripts: readonly [what: string, script: string, said: string][] = [
  [
    'one sender behind the other, without ABORT between them',
    `mt.conninfo(conn, "client.test", "192.0.2.7")
     say(mt.getreply(conn))
     for _, from in ipairs({ "<a@fail.test>", "<a@pass.test>", "<>", "<a@fail.test>", "<\\r\\n@pass.test>" }) do
       mt.mailfrom(conn, from)
       say(mt.getreply(conn))
     end`,
    'cyccyc',
  ],
  [
    'aborts, one behind the other, and everywhere',
    `mt.abort(conn)
     mt.conninfo(conn, "client.test", "192.0.2.7")
     say(mt.getreply(conn))
     mt.abort(conn)
     mt.mailfrom(conn, "<a@pass.test>")
     say(mt.getreply(conn))
     mt.abort(conn)
     mt.abort(conn)
     mt.mailfrom(conn, "<a@pass.test>")
     say(mt.getreply(conn))
     mt.eom(conn)
     say(mt.getreply(conn))
     if not mt.eom_check(conn, MT_HDRINSERT, "Received-SPF") then error "no Received-SPF" end`,
    'cccc',
  ],
];

const frame = (script: string): string => `
conn = mt.connect(socket)
if conn == nil then error "no connection" end
mt.set_timeout(10)
said = ""
function say(code) said = said .. string.char(code) end
mt.negotiate(conn, nil, nil, nil)
${script}
mt.echo("said " .. said)
mt.disconnect(conn)
`;

for (const [what, script, expected] of scripts) {
  test(what, async (t) => {
    if (!needPeer(t, 'miltertest')) return;
    const folder = new MilterFolder();
    const milter = await startMilter(folder);
    t.after(async () => {
      await milter.stop();
      folder.remove();
    });
    const file = join(folder.path, 'script.lua');
    writeFileSync(file, frame(script));
    const child = spawn('miltertest', ['-s', file, '-D', `socket=unix:${folder.socket}`]);
    t.after(() => child.kill('SIGKILL'));
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (octets: Buffer) => (output += String(octets)));
    const code = await inTime(new Promise((resolve) => child.once('close', resolve)), 'the script ends');
    assert.equal(/^said (.*)$/m.exec(output)?.[1], expected, output + milter.stderr);
    assert.equal(code, 0, output);
  });
}
