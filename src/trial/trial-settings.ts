/**
 * What `npm start` changes of the defaults: all on loopback, nothing needs root, everything it writes is below `var/`
 * of the folder it is started in.
 */
import { join, resolve } from 'node:path';

/** As texts of the settings file. */
export function trialSettings(packageRoot: string, folder = 'var'): Readonly<Record<string, string>> {
  return {
    listen: '127.0.0.1:2525',
    srv: join(packageRoot, 'srv-example'),
    spam: resolve(folder, 'spam'),
    state: resolve(folder, 'state'),
    relay: '127.0.0.1:2526',
    web: '127.0.0.1:8025',
    web_tokens: resolve(folder, 'state', 'web-tokens'),
    hostname: 'mx.example.com',
    dns_zone: join(packageRoot, 'srv-example', 'zone.json'),
    // The demo plays clients from elsewhere, and load generators come from one address.
    xclient_networks: 'loopback',
    max_connections_per_ip: '1000',
  };
}

/** Where the embedded sink keeps what it is handed. */
export const sinkFolder = (folder = 'var'): string => resolve(folder, 'sink');
