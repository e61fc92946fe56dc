/** The machine's name server: answers for zone.json, and nothing else. */
import { readFileSync } from 'node:fs';
import { zoneServer } from '../../../dist/test/support/zone-server.js';

const zone = JSON.parse(readFileSync(new URL('zone.json', import.meta.url), 'utf8'));
await zoneServer(zone, { host: '127.0.0.1', port: 53 });
