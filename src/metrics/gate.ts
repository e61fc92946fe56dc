/**
 * What a worker of `postern serve` counts. Labels are words of ours, plugins of the list and the MTAs of the settings;
 * nothing that a client says becomes one.
 */
import { isTemporary, type Reply } from '../mail/reply.js';
import { type Counter, Gauge, Histogram, Registry } from './registry.js';

/** Seconds: from a look-up in memory to the default of `plugin_timeout`. */
const pluginBounds = [0.0001, 0.001, 0.01, 0.05, 0.25, 1, 5, 30];
/** Seconds: from a local MTA to the default of `relay_timeout`. */
const relayBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25];
export const dnsBounds = [0.001, 0.01, 0.05, 0.25, 1, 5, 20];
/** Seconds: from a filter that looks at names to one that scans what it must fetch first. */
const filterBounds = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120];
const syncBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

const endings = ['relayed', 'taken', 'rejected', 'discarded', 'deferred', 'refused'] as const;

/**
 * Why a client or a recipient is turned away before there is a mail: too many connections, too many errors, a line
 * that does not end, a client that is idle, a command that cannot be carried out, a domain that is not ours, the MTA's
 * refusal, a plugin's; a fault of ours, a stop.
 */
const awayReasons = [
  'connections',
  'errors',
  'line',
  'idle',
  'command',
  'relaying',
  'mta',
  'plugin',
  'fault',
  'stopping',
] as const;
export type AwayReason = (typeof awayReasons)[number];

/** RFC 7208 §2.6. */
export const spfResultCodes = ['none', 'neutral', 'pass', 'fail', 'softfail', 'temperror', 'permerror'] as const;
/** RFC 8601 §2.7.1. */
const dkimResults = ['none', 'pass', 'fail', 'policy', 'neutral', 'temperror', 'permerror'] as const;
/** RFC 7489 §11.2. */
const dmarcResults = ['none', 'pass', 'fail', 'temperror', 'permerror'] as const;

type RelayEnd = 'accepted' | 'refused' | 'deferred' | 'unreachable';

/** More MTAs than these count as `other`. */
const maxDestinations = 50;

/** A mail at its end. */
export interface CountedMail {
  readonly verdict: (typeof endings)[number];
  readonly reply: Reply;
  readonly plugin?: string | undefined;
  /** Was the local MTA asked? */
  readonly relayed?: object | undefined;
  /** Octets. */
  readonly size: number;
  /** Results by method. */
  readonly authenticated: Readonly<Record<string, string>>;
  readonly isNullSender: boolean;
  /** What greylisting says of it. */
  readonly greylisted?: string | undefined;
}

/** Who objects without a plugin: the local MTA, or postern itself (no room on disk, something broken). */
const mta = 'relay';
const ourselves = 'postern';

export class GateMetrics {
  readonly registry = new Registry();
  readonly #connections: Counter | undefined;
  readonly #turnedAway;
  readonly #messages;
  readonly #octets;
  readonly #rejects;
  readonly #marks;
  readonly #defers;
  readonly #pluginSeconds;
  readonly #filterSeconds;
  readonly #filterUp;
  readonly #spf;
  readonly #dkim;
  readonly #dmarc;
  readonly #greylist;
  readonly #tls;
  readonly #relay;
  readonly #relaySeconds;
  readonly #destinations = new Set<string>();
  readonly dnsSeconds: Histogram | undefined;
  readonly syncSeconds: Histogram | undefined;
  readonly journalLost: Counter | undefined;

  constructor() {
    const { registry } = this;
    const plugins = [mta, ourselves];
    this.#connections = registry.counter('postern_connections_total', 'Connections taken.').at();
    this.#turnedAway = registry.counter(
      'postern_turned_away_total',
      'Clients and recipients turned away before there was a mail, by reason.',
      { labels: { reason: awayReasons } },
    );
    const byVerdict = { labels: { verdict: endings } };
    this.#messages = registry.counter('postern_messages_total', 'Mails read to their end, by verdict.', byVerdict);
    this.#octets = registry.counter('postern_message_bytes_total', 'Octets of these mails, by verdict.', byVerdict);
    this.#rejects = registry.counter(
      'postern_rejects_total',
      'Mails, recipients and clients refused for good, by the plugin that decided it.',
      { labels: { plugin: plugins } },
    );
    this.#marks = registry.counter(
      'postern_marks_total',
      'Remarks of plugins that stop nothing: what a check on trial would have done, or what could not be asked.',
      { labels: { plugin: [] } },
    );
    this.#defers = registry.counter(
      'postern_defers_total',
      'Mails, recipients and clients put off: by a rule, because something of ours is broken, by the MTA.',
      { labels: { plugin: plugins, cause: ['policy', 'fault', 'destination'] } },
    );
    this.#pluginSeconds = registry.histogram(
      'postern_plugin_seconds',
      'Time that plugins take for one answer.',
      pluginBounds,
      { labels: { plugin: [] } },
    );
    this.#filterSeconds = registry.histogram(
      'postern_milter_client_seconds',
      'Time for one mail at a filter that speaks the milter protocol.',
      filterBounds,
      { labels: { name: [] } },
    );
    this.#filterUp = registry.gauge(
      'postern_milter_client_up',
      'Does the filter answer? 0 where a worker has found that it does not.',
      { labels: { name: [] }, joined: 'min' },
    );
    this.#spf = registry.counter('postern_spf_results_total', 'SPF results by identity.', {
      labels: { identity: ['helo', 'mailfrom'], result: spfResultCodes },
    });
    this.#dkim = registry.counter(
      'postern_dkim_results_total',
      'DKIM results of mails; one good signature is a pass.',
      {
        labels: { result: dkimResults },
      },
    );
    this.#dmarc = registry.counter('postern_dmarc_results_total', 'DMARC results.', {
      labels: { result: dmarcResults },
    });
    this.#greylist = registry.counter(
      'postern_greylist_total',
      'Mails that greylisting was asked about: first tries, tries that came too early, in time, and known senders.',
      { labels: { result: ['new', 'early', 'passed', 'known'] } },
    );
    this.#tls = registry.counter('postern_sessions_tls_total', 'Sessions at their end, by TLS version.', {
      labels: { version: ['none', '1.2', '1.3'] },
    });
    this.#relay = registry.counter('postern_relay_total', 'Mails handed to an MTA, by what it said.', {
      labels: { destination: ['other'], result: ['accepted', 'refused', 'deferred', 'unreachable'] },
    });
    this.#relaySeconds = registry.histogram(
      'postern_relay_seconds',
      'Time for one mail at an MTA, connection to reply.',
      relayBounds,
      { labels: { destination: ['other'] } },
    );
    this.dnsSeconds = registry
      .histogram('postern_dns_lookup_seconds', 'Time for a question to the name servers.', dnsBounds)
      .at();
    this.journalLost = registry
      .counter('postern_journal_lost_total', 'Lines of the journal that could not be written.')
      .at();
    this.syncSeconds = registry
      .histogram('postern_fsync_seconds', 'Time until the disk has what it is to keep.', syncBounds)
      .at();
  }

  /** Plugins of the list have series from now on. */
  allowPlugins(names: readonly string[]): void {
    for (const family of [this.#rejects, this.#marks, this.#defers, this.#pluginSeconds]) family.allow('plugin', names);
  }

  /** What is counted of a filter that the list names; it has series from now on. */
  filterMeter(name: string): { readonly seconds: Histogram; readonly up: Gauge } {
    for (const family of [this.#filterSeconds, this.#filterUp]) family.allow('name', [name]);
    return { seconds: this.#filterSeconds.at(name) ?? new Histogram([]), up: this.#filterUp.at(name) ?? new Gauge() };
  }

  /** What one plugin's turns count; undefined for one that is not of the list. */
  meterOf(plugin: string): { readonly seconds: Histogram; readonly marks: Counter } | undefined {
    const seconds = this.#pluginSeconds.at(plugin);
    const marks = this.#marks.at(plugin);
    return seconds && marks && { seconds, marks };
  }

  /** An MTA of the settings, or of a domain's file, has series from now on. */
  allowDestination(destination: string): void {
    if (this.#destinations.size >= maxDestinations) return;
    this.#destinations.add(destination);
    for (const family of [this.#relay, this.#relaySeconds]) family.allow('destination', [destination]);
  }

  connected(): void {
    this.#connections?.add();
  }

  /** A session has ended; `protocol` as TLS names it, such as `TLSv1.3`. */
  disconnected(protocol: string | undefined): void {
    this.#tls.at(protocol === undefined ? 'none' : protocol.replace('TLSv', ''))?.add();
  }

  turnedAway(reason: AwayReason): void {
    this.#turnedAway.at(reason)?.add();
  }

  /** What a plugin has stopped before there was a mail. */
  stopped(plugin: string, answer: Reply): void {
    this.turnedAway('plugin');
    this.#objected(plugin, answer);
  }

  ended({ verdict, reply, plugin, relayed, size, authenticated, isNullSender, greylisted }: CountedMail): void {
    this.#messages.at(verdict)?.add();
    this.#octets.at(verdict)?.add(size);
    const { spf, dkim, dmarc } = authenticated;
    if (spf !== undefined) this.#spf.at(isNullSender ? 'helo' : 'mailfrom', spf)?.add();
    if (dkim !== undefined) this.#dkim.at(dkim)?.add();
    if (dmarc !== undefined) this.#dmarc.at(dmarc)?.add();
    if (greylisted !== undefined) this.#greylist.at(greylisted)?.add();
    if (verdict !== 'relayed' && verdict !== 'taken' && verdict !== 'discarded')
      this.#objected(plugin ?? (relayed ? mta : ourselves), reply, plugin === undefined && relayed !== undefined);
  }

  /** Something broke: a recipient, or a mail that was read to its end, cannot be judged now. */
  broken(at: 'rcpt' | 'data'): void {
    if (at === 'data') this.#messages.at('deferred')?.add();
    this.#defers.at(ourselves, 'fault')?.add();
  }

  #objected(plugin: string, answer: Reply, byMta = false): void {
    if (!isTemporary(answer)) return this.#rejects.at(plugin)?.add();
    return this.#defers.at(plugin, byMta ? 'destination' : isFault(answer) ? 'fault' : 'policy')?.add();
  }

  /** An MTA could not be reached, and the mail went on to the next. */
  detoured(destination: string): void {
    this.#relay.at(this.#labelOf(destination), 'unreachable')?.add();
  }

  relayed(destination: string, result: RelayEnd, seconds: number): void {
    const label = this.#labelOf(destination);
    this.#relay.at(label, result)?.add();
    this.#relaySeconds.at(label)?.observe(seconds);
  }

  #labelOf(destination: string): string {
    if (!this.#destinations.has(destination)) this.allowDestination(destination);
    return this.#destinations.has(destination) ? destination : 'other';
  }
}

/** RFC 3463 §3.4: X.3.X is about our own system, such as a plugin that throws. A rule defers with X.7.X or X.4.X. */
const isFault = ({ enhanced }: Reply): boolean => enhanced.startsWith('4.3.');
