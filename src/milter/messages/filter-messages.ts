/**
 * For filters that decide once, at the end of each mail: `filterMessages(async (mail) => …)` makes a policy of a
 * function that sees the whole mail.
 */
import { tmpdir } from 'node:os';
import type {
  Answer,
  Edit,
  EditKind,
  EnvelopePath,
  FinalAnswer,
  MacroWishes,
  MilterClient,
  MilterPolicy,
  Transaction,
} from '../policy.js';
import { proceed, skip } from '../policy.js';
import { KeptBody } from './kept-body.js';
import { MilterHeader } from './milter-header.js';

/** A mail at its end. */
export interface WholeMail {
  /** Its kind is `unknown` where the MTA has not told. */
  readonly client: MilterClient;
  readonly helo: string | undefined;
  /** Who has authenticated (SMTP AUTH); undefined for nobody. */
  readonly authenticated: string | undefined;
  readonly queueId: string | undefined;
  readonly sender: EnvelopePath;
  /** Those that the MTA has accepted. */
  readonly recipients: readonly EnvelopePath[];
  /** What is changed in it is changed in the mail where the mail is let pass. */
  readonly header: MilterHeader;
  /** It can be read until the mail is over. */
  readonly body: MailBody;
  /** Aborted when the MTA drops the mail, and when the filter's time is over. */
  readonly signal: AbortSignal;
  macro(name: string): string | undefined;
  /** May this edit be made? Edits that the MTA does not offer are left out. */
  offers(edit: EditKind): boolean;
  /** Without angle brackets, here and below. */
  addRecipient(address: string): void;
  removeRecipient(address: string): void;
  /** '' is the null reverse-path. */
  setSender(address: string): void;
  /** Lines end in CRLF. */
  replaceBody(body: Uint8Array): void;
}

export type MailBody = Pick<KeptBody, 'size' | 'isWhole' | 'chunks' | 'octets'>;

/** `quarantine`: the mail is accepted, and goes into the MTA's hold queue. */
export type MailAnswer = Answer | { readonly kind: 'quarantine'; readonly reason: string };

/** Holds the mail in the MTA's queue, for a person to look at. */
export const quarantine = (reason: string): MailAnswer => ({ kind: 'quarantine', reason });

/** No answer lets the mail pass, with its changes. What it throws makes a temporary failure. */
export type MailFilter = (mail: WholeMail) => MailAnswer | void | Promise<MailAnswer | void>;

export interface FilterMessagesOptions {
  /** Octets of a body that are kept in memory; the rest goes into a file without a name. Default 1 MiB. */
  readonly memory?: number;
  /** Octets of a body that are kept at all; `body.isWhole` tells. Default 64 MiB. 0: the body is not asked for. */
  readonly maxBody?: number;
  /** The folder of such files. Default: that of temporary files. */
  readonly spool?: string;
  /**
   * Milliseconds that the filter may take for a mail; then it is a temporary failure. Default 300,000. The MTA is told
   * meanwhile that the filter is at work, so that without an end it would wait for ever.
   */
  readonly timeoutMs?: number;
  /** Macros to be sent besides those of the authenticated user and the queue id. */
  readonly macros?: MacroWishes;
}

/** What has come of a mail. */
interface Collected {
  readonly recipients: EnvelopePath[];
  readonly header: MilterHeader;
  readonly body: KeptBody;
}

/** The edits of all methods of a mail. */
const edits: readonly EditKind[] = [
  ...(['add-header', 'insert-header', 'change-header', 'delete-header', 'change-sender'] as const),
  ...(['add-recipient', 'delete-recipient', 'replace-body', 'quarantine'] as const),
];

/** The MTA's time-out at the end of a message is at least 10 s (Sendmail's default). */
const progressEveryMs = 4000;

const defaults = { memory: 2 ** 20, maxBody: 2 ** 26, timeoutMs: 300_000 } as const;

export function filterMessages(
  filter: MailFilter,
  options: FilterMessagesOptions = {},
): MilterPolicy<undefined, Collected> {
  const { memory = defaults.memory, maxBody = defaults.maxBody, spool = tmpdir(), macros = {} } = options;
  const { timeoutMs = defaults.timeoutMs } = options;
  const limits = { memory, max: maxBody, folder: spool };
  const close = ({ state }: Transaction<undefined, Collected>): Promise<void> => state.body.close().catch(() => {});
  return {
    edits,
    macros: {
      ...macros,
      mail: ['i', 'auth_authen', 'auth_type', ...(macros.mail ?? [])],
      eom: ['i', ...(macros.eom ?? [])],
    },
    silent: ['header'],
    dataSize: '1M',
    newTransaction: () => ({ recipients: [], header: new MilterHeader(), body: new KeptBody(limits) }),
    rcpt: ({ state }, recipient) => void state.recipients.push(recipient),
    header: ({ state }, field) => state.header.see(field),
    ...(maxBody > 0 && {
      async body(mail: Transaction<undefined, Collected>, piece: Uint8Array) {
        try {
          return (await mail.state.body.add(piece)) ? proceed : skip;
        } catch (error) {
          await close(mail); // its end is settled: no later handler will
          throw error;
        }
      },
    }),
    async eom(mail) {
      const seen = new MailAtEnd(mail);
      try {
        return seen.end((await seen.answerWithin(timeoutMs, filter)) ?? proceed);
      } finally {
        await close(mail);
      }
    },
    abort: (mail) => void close(mail),
  };
}

class MailAtEnd implements WholeMail {
  readonly client: MilterClient;
  readonly helo: string | undefined;
  readonly authenticated: string | undefined;
  readonly queueId: string | undefined;
  readonly sender: EnvelopePath;
  readonly recipients: readonly EnvelopePath[];
  readonly header: MilterHeader;
  readonly body: MailBody;
  readonly #mail: Transaction<undefined, Collected>;
  readonly #edits: Edit[] = [];
  #newBody: readonly Edit[] = [];
  /** It is made for those who ask, and when the time is over. */
  #late: AbortController | undefined;

  constructor(mail: Transaction<undefined, Collected>) {
    const { session, state, sender, queueId } = mail;
    this.client = session.client;
    this.helo = session.helo;
    this.authenticated = mail.macro('auth_authen') || undefined;
    this.queueId = queueId;
    this.sender = sender;
    this.recipients = state.recipients;
    this.header = state.header;
    this.body = state.body;
    this.#mail = mail;
  }

  get signal(): AbortSignal {
    this.#late ??= new AbortController();
    return AbortSignal.any([this.#mail.signal, this.#late.signal]);
  }

  /** The filter's answer. Rejects where it takes longer. */
  async answerWithin(ms: number, filter: MailFilter): Promise<MailAnswer | void> {
    const lateAt = performance.now() + ms;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, fail) => {
      const look = (): void => {
        if (performance.now() < lateAt) return this.#mail.progress();
        (this.#late ??= new AbortController()).abort();
        return fail(new Error(`the filter has not answered within ${ms / 1000} seconds`));
      };
      timer = setInterval(look, Math.min(ms, progressEveryMs));
    });
    try {
      return await Promise.race([filter(this), late]);
    } finally {
      clearInterval(timer);
    }
  }

  macro(name: string): string | undefined {
    return this.#mail.macro(name);
  }

  offers(edit: EditKind): boolean {
    return this.#mail.session.offers(edit);
  }

  addRecipient(address: string): void {
    this.#edits.push({ kind: 'add-recipient', recipient: `<${address}>` });
  }

  removeRecipient(address: string): void {
    this.#edits.push({ kind: 'delete-recipient', recipient: `<${address}>` });
  }

  setSender(address: string): void {
    this.#edits.push({ kind: 'change-sender', sender: `<${address}>` });
  }

  replaceBody(body: Uint8Array): void {
    this.#newBody = [{ kind: 'replace-body', body }];
  }

  end(answer: MailAnswer): FinalAnswer {
    const changes = [...this.header.edits, ...this.#edits, ...this.#newBody];
    if (answer.kind === 'quarantine')
      return { kind: 'continue', edits: [...changes, { kind: 'quarantine', reason: answer.reason }] };
    return { ...answer, edits: changes };
  }
}
