/** A Chromium that is logged in to a quarantine page of its own; whatever it asks of evil.example lands in a trap. */
import net from 'node:net';
import { after, type TestContext } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { needPeer } from '../support/peers.js';
import { admin, openSite, type Site } from './support.js';

export interface Trap {
  readonly port: number;
  readonly seen: string[];
}

async function openTrap(): Promise<Trap> {
  const seen: string[] = [];
  const server = net.createServer((socket) => {
    seen.push('a connection');
    socket.on('data', (octets) => {
      seen.push(octets.toString('latin1').split('\r\n')[0] ?? '');
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return { port: (server.address() as net.AddressInfo).port, seen };
}

export interface BrowserSession {
  readonly site: Site;
  readonly trap: Trap;
  readonly browser: Browser;
  readonly page: Page;
}

/** One for all tests of a file: to start it costs more than most of them. */
let launched: Promise<Pick<BrowserSession, 'browser' | 'trap'>> | undefined;

async function launch(): Promise<Pick<BrowserSession, 'browser' | 'trap'>> {
  const trap = await openTrap();
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      // The trap is on loopback, which Chromium would keep pages of other origins from by itself; and a process of its
      // own for each frame of a mail costs more than all else.
      '--disable-features=LocalNetworkAccessChecks,IsolateSandboxedIframes',
      `--host-resolver-rules=MAP evil.example 127.0.0.1:${trap.port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
    ],
  });
  return { browser, trap };
}
after(async () => (await launched)?.browser.close());

/** Undefined, and the test skipped, where there is no Chromium. */
export async function openBrowser(
  t: TestContext,
  settings: readonly string[] = [],
): Promise<BrowserSession | undefined> {
  if (!needPeer(t, 'chromium')) return undefined;
  const site = await openSite(t, settings);
  const { browser, trap } = await (launched ??= launch());
  trap.seen.length = 0;
  const context = await browser.newContext();
  t.after(() => context.close());
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  await page.goto(`${site.origin}/login#token=${admin}`);
  await page.waitForURL(`${site.origin}/`);
  return { site, trap, browser, page };
}

export interface Pages {
  /** Goes to each address, in a page of its own, and does something there. */
  show(addresses: readonly string[], act?: (page: Page) => Promise<void>): Promise<void>;
  /** What a mail did in one of them, once all are quiet. */
  caught(): Promise<readonly string[]>;
}

/** So many pages of the session, which see their mails do what they must not. */
export async function openPages({ site, trap, page }: BrowserSession, count: number): Promise<Pages> {
  const context = page.context();
  const dialogs: string[] = [];
  context.on('dialog', (dialog) => {
    dialogs.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const pages = [page];
  while (pages.length < count) pages.push(await context.newPage());
  let shown: readonly Page[] = [];
  return {
    show: async (addresses, act) => {
      shown = pages.slice(0, addresses.length);
      const each = shown.map(async (one, at) => {
        await one.goto(addresses[at] ?? '');
        await act?.(one);
      });
      await Promise.all(each);
    },
    caught: async () => {
      for (const one of shown) await one.waitForLoadState('networkidle');
      await page.waitForTimeout(300);
      const found: string[] = [];
      for (const [at, one] of shown.entries()) {
        if ((await one.evaluate('window.owned')) !== undefined) found.push(`page ${at}: a script ran`);
        if ((await one.title()) === 'owned') found.push(`page ${at}: a script changed the title`);
        if (!one.url().startsWith(site.origin)) found.push(`page ${at}: went to ${one.url()}`);
      }
      if (context.pages().length !== count) found.push('a window was opened');
      return [...found, ...dialogs, ...trap.seen];
    },
  };
}

export const addressOf = (site: Site, name: string): string =>
  `${site.origin}/mail/${name.split('/').map(encodeURIComponent).join('/')}`;
