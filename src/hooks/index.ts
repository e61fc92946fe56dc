/** What plugins are written with: `postern/plugin`. The one list of names that plugins of others may rely on. */
export { type Check, defineCheck, type Mail } from './check.js';
export type {
  CloseContext,
  DataContext,
  EarlyTalk,
  EnvelopeContext,
  GivenPoints,
  HookContext,
  HookName,
  MailContext,
  Markers,
  Plugin,
  PluginLog,
  PluginSaying,
  RcptContext,
  Recipient,
  RelayedContext,
  RelayedMail,
  SessionContext,
  SessionFacts,
  UnknownCommandContext,
} from './plugin.js';
export {
  accept,
  defer,
  delay,
  discard,
  note,
  pardon,
  pass,
  refuse,
  reject,
  rejectRecipient,
  rewrite,
  route,
  score,
  skip,
  taken,
  type Verdict,
} from '../mail/verdict.js';
export { closing, type Reply, reply } from '../mail/reply.js';
export type { Content } from '../mail/content/content.js';
export type { Field, Header } from '../mail/header.js';
export type { HeaderEdit, ShownField } from '../mail/edits/header-edits.js';
export type { MessageSource } from '../mail/message.js';
export { contains, type Ip, type Network, parseIp, parseNetwork } from '../mail/ip.js';
export type { ClientName } from '../dns/client-name.js';
export type { DnsAnswer, LookupOptions, RecordData, RecordType, Resolver } from '../dns/resolver.js';
export type { Store, StoreAnswer } from '../store/store.js';
export { type ArgumentKind, count, readArguments, time, timeText } from './arguments.js';
export { oncePerMail } from './once-per-mail.js';
export { type TestMail, testMail, testRecipient, verdictOf } from './testing.js';
