/** Where the mail of a transaction goes. */
import { type DestinationList, takesOneRecipient } from '../../relay/destination/destination.js';
import type { Services } from '../services.js';
import type { SmtpTransaction } from '../transaction.js';

/** What it takes to know. */
type DestinationServices = Pick<Services, 'srv' | 'settings'>;

/** Throws BrokenMarker where the domain's own file makes no sense. */
export const destinationsOf = (domain: string, { srv, settings }: DestinationServices): DestinationList =>
  (domain === '' ? undefined : srv.destinations(domain)) ?? settings.relay;

/** The same for one that has recipients. Whoever may relay anywhere has all of it taken to where mail usually goes. */
export const destinationsFor = (
  { kind, domain }: Pick<SmtpTransaction, 'kind' | 'domain'>,
  services: DestinationServices,
): DestinationList =>
  destinationsOf(kind === 'postmaster' ? (services.settings.postmaster?.domain ?? '') : domain, services);

/** LMTP tells of each recipient by itself, and the client hears one reply: it has to send such mails one by one. */
export const isFull = ({ recipients }: SmtpTransaction, recipient: string, list: DestinationList): boolean =>
  recipients.length > 0 && recipients.every(({ text }) => text !== recipient) && takesOneRecipient(list);
