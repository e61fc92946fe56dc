/** Everything that the page needs from other rooms; `cli/web` wires it. */
import type { Audit } from '../audit/audit.js';
import type { AuditSource } from '../audit/audit-source.js';
import type { DigestLinks } from '../digest/links.js';
import type { ContentReader } from '../mime/content-reader.js';
import type { Network } from '../mail/ip.js';
import type { MailCounts } from '../journal/sums/mail-sums.js';
import type { JournalSource } from '../journal/journal-source.js';
import type { ReleaseOptions } from '../quarantine/care/release.js';
import type { KeptMails } from '../quarantine/kept-mails.js';
import type { MailRef } from '../quarantine/disk/mail-ref.js';
import type { Relay } from '../relay/relay.js';
import type { MarkerRules, MarkerWriter } from '../srv/markers.js';
import type { ExpiryChange, ExpiryWords } from '../srv/expiry.js';
import type { Expiry, CheckSwitch, SwitchFiles } from './pages/domains.js';
import type { KnownSessions } from './login/sessions.js';
import type { WhoseJournal } from './pages/journal.js';
import type { Replay } from './replay-page.js';
import type { SpfCheck } from './pages/spf-part.js';
import type { StatsCache } from './stats-cache.js';
import type { KnownTokens } from './login/tokens.js';
import type { WrongTokens } from './login/wrong-tokens.js';

export interface WebParts {
  readonly mails: KeptMails;
  readonly journal: JournalSource;
  readonly journalOf: WhoseJournal['of'];
  readonly hostname: string;
  readonly relay: Relay;
  readonly markers: MarkerWriter;
  /** It is the host that has the switches, where /srv is a copy here; '' where it is none. */
  readonly srvFrom: string;
  readonly hosted: SwitchFiles & { isHosted(domain: string): boolean; domains(): readonly string[] };
  /** It tells whether the domain has a marker of just that local-part. */
  readonly hasUser: ReleaseOptions['hasUser'];
  readonly checks: readonly CheckSwitch[];
  readonly expiryOf: (domain: string) => Expiry;
  readonly checkProblem: MarkerRules['checkProblem'];
  /** It writes the domain's own file, or takes it away. Broken IO throws. */
  readonly changeExpiry: (domain: string, words: ExpiryWords) => ExpiryChange;
  readonly reader: ContentReader;
  readonly checkSpf: SpfCheck;
  /** It judges a kept mail by today's plugins, markers and DNS; nothing is sent, stored or remembered. */
  readonly replay: (ref: MailRef) => Promise<Replay>;
  readonly stats: Pick<StatsCache, 'get'>;
  readonly mailCounts: Pick<MailCounts, 'of'>;
  readonly tokens: KnownTokens;
  readonly sessions: KnownSessions;
  /** They are the links of digest mails; undefined: none are sent. */
  readonly links?: DigestLinks;
  /** They are the proxies whose X-Forwarded-For is believed. */
  readonly proxies: readonly Network[];
  readonly audit: Pick<Audit, 'record'> & AuditSource;
  readonly isOurHost: (host: string) => boolean;
  readonly assets: ReadonlyMap<string, { readonly type: string; readonly octets: Buffer }>;
  readonly onError: (error: unknown) => void;
  readonly wrongTokens: WrongTokens;
}
