/** A Chromium that is logged in to a quarantine page of its own; whatever it asks of evil.example lands in a trap. */
import net from 'node:net';
import type { TestContext } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { needPeer } from '../support/peers.js';
import { admin, openSite, type Site } from './support.js';

export interface Trap {
  readonly port: number;
  readonly seen: string[];
}

async function openTrap(t: TestContext): Promise<Trap> {
  const seen: string[] = [];
  const server = net.createServer((socket) => {
    const at = seen.push('(no request)') - 1;
    socket.on('data', (octets) => {
      seen[at] = octets.toString('latin1').split('\r\n')[0] ?? '';
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { port: (server.address() as net.AddressInfo).port, seen };
}

export interface BrowserSession {
  readonly site: Site;
  readonly trap: Trap;
  readonly browser: Browser;
  readonly page: Page;
}

/** Undefined, and the test skipped, where there is no Chromium. */
export async function openBrowser(
  t: TestContext,
  settings: readonly string[] = [],
): Promise<BrowserSession | undefined> {
  if (!needPeer(t, 'chromium')) return undefined;
  const site = await openSite(t, settings);
  const trap = await openTrap(t);
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      // The trap is on loopback, which Chromium would keep pages of other origins from by itself.
      '--disable-features=LocalNetworkAccessChecks',
      `--host-resolver-rules=MAP evil.example 127.0.0.1:${trap.port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
    ],
  });
  t.after(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  await page.goto(`${site.origin}/login#token=${admin}`);
  await page.waitForURL(`${site.origin}/`);
  return { site, trap, browser, page };
}

export const addressOf = (site: Site, name: string): string =>
  `${site.origin}/mail/${name.split('/').map(encodeURIComponent).join('/')}`;
