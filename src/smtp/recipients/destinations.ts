/** Where the mail of a transaction goes. */
import { type DestinationList, readDestinations, takesOneRecipient } from '../../relay/destination/destination.js';
import type { Services } from '../services.js';
import type { SmtpTransaction } from '../transaction.js';

/** What it takes to know. */
type DestinationServices = Pick<Services, 'srv' | 'settings'>;

/** Throws BrokenMarker where the domain's own file makes no sense. */
export const destinationsOf = (domain: string, { srv, settings }: DestinationServices): DestinationList =>
  (domain === '' ? undefined : srv.destinations(domain)) ?? settings.relay;

/** Where a plugin has sent it, as it was believed. */
export function routed(route: string | undefined): DestinationList | undefined {
  const read = route === undefined ? undefined : readDestinations(route);
  return read?.ok === true ? read.value : undefined;
}

/** The same for one that has recipients. Whoever may relay anywhere has all of it taken to where mail usually goes. */
export const destinationsFor = (
  { kind, domain, rewritten }: Pick<SmtpTransaction, 'kind' | 'domain' | 'rewritten'>,
  services: DestinationServices,
): DestinationList =>
  routed(rewritten.route) ??
  destinationsOf(kind === 'postmaster' ? (services.settings.postmaster?.domain ?? '') : domain, services);

/** LMTP tells of each recipient by itself, and the client hears one reply: it has to send such mails one by one. */
export const isFull = ({ recipients }: SmtpTransaction, recipient: string, list: DestinationList): boolean =>
  recipients.length > 0 && recipients.every(({ text }) => text !== recipient) && takesOneRecipient(list);
