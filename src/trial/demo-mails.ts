/** The mails of the demo, and the reply each is meant to get. They fit srv-example and its zone.json. */

export interface DemoMail {
  readonly what: string;
  readonly clientIp: string;
  readonly helo: string;
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly message: string;
  /** How the settling reply begins. */
  readonly expect: string;
  /** The marker is touched before it is sent. */
  readonly touch?: boolean;
}

/** What the last mail needs, below /srv. */
export const marker = 'example.com/whitelisted/senders/offers@spam.example';

const good = {
  clientIp: '192.0.2.25',
  helo: 'mail.sender.example',
  from: 'anna@sender.example',
  to: 'alice@example.com',
};

interface MailDraft extends Partial<typeof good> {
  readonly what: string;
  readonly expect: string;
  readonly date?: false;
  readonly header?: string;
  readonly touch?: boolean;
}

function mail(draft: MailDraft, number: number): DemoMail {
  const { date, header, ...rest } = draft;
  const subject = `demo ${number}: ${draft.what}`;
  const fields = [`From: <${draft.from ?? good.from}>`, `To: <${draft.to ?? good.to}>`, `Subject: ${subject}`];
  if (date !== false) fields.push(`Date: ${new Date().toUTCString().replace('GMT', '+0000')}`);
  if (header !== undefined) fields.push(header);
  return { ...good, ...rest, subject, message: `${fields.join('\r\n')}\r\n\r\nHello.\r\n` };
}

const drafts: readonly MailDraft[] = [
  { what: 'a good mail', expect: '250' },
  { what: 'to a user who does not exist', to: 'nobody@example.com', expect: '550 5.1.1' },
  { what: 'to a user who has left', to: 'former-employee@example.com', expect: '550 5.1.1' },
  { what: 'to a domain that is not hosted', to: 'anna@elsewhere.example', expect: '550 5.7.1 Relaying denied' },
  { what: 'any user where users/valid/* is', to: 'whoever@example.org', expect: '250' },
  { what: 'with a bad HELO', helo: 'my_laptop', expect: '550 5.7.1 Invalid HELO' },
  { what: 'from a forger: SPF does not permit the client', clientIp: '203.0.113.9', expect: '550 5.7.1 SPF fail' },
  {
    what: 'from a client on a block list',
    clientIp: '198.51.100.77',
    from: 'anna@no-spf.example',
    expect: '550 5.7.1 Your address 198.51.100.77 is listed',
  },
  { what: 'without a Date:', date: false, expect: '550 5.7.1 Missing header - Date:' },
  { what: 'from a known bulk mailer', header: 'X-Mailer: Advanced Mass Sender 4', expect: '550 5.7.1 Sent by' },
  {
    what: 'from a client without a reverse name',
    clientIp: '203.0.113.9',
    from: 'anna@no-spf.example',
    to: 'whoever@example.org',
    expect: '550 5.7.1 No reverse name',
  },
  {
    what: 'without a Date:, from a whitelisted domain',
    from: 'ceo@partner.example',
    clientIp: '192.0.2.80',
    date: false,
    expect: '250',
  },
  { what: 'from a blacklisted sender', from: 'offers@spam.example', expect: '550 5.7.1 Blacklisted' },
  { what: 'the same mail again', from: 'offers@spam.example', touch: true, expect: '250' },
];

export const demoMails: readonly DemoMail[] = drafts.map((draft, i) => mail(draft, i + 1));
