/** Filters for Postfix and Sendmail, written by others: `postern/milter`. */
export {
  accept,
  type Answer,
  deleteHeader,
  discard,
  type Edit,
  type EditKind,
  type EnvelopePath,
  type FinalAnswer,
  type HeaderField,
  insertHeader,
  type MacroStage,
  type MacroWishes,
  type MilterClient,
  type MilterEvent,
  type MilterHandlers,
  type MilterPolicy,
  type MilterWishes,
  proceed,
  type Reaction,
  reject,
  type ReplyAnswer,
  replyWith,
  type Session,
  type SessionAnswer,
  type SilentEvent,
  skip,
  type Skip,
  tempfail,
  type Transaction,
} from './policy.js';
export type { MilterObservation } from './dialogue.js';
export { type MilterProblem, MilterServer, type MilterServerOptions } from './server.js';
export {
  type Endpoint,
  endpointText,
  type MtaLines,
  parseEndpoint,
  type ParsedEndpoint,
  smtpdMilters,
} from './endpoint.js';
export { type SocketPermissions, SocketProblem } from './socket.js';
export type { Ip } from '../mail/ip.js';
export { MilterHeader } from './messages/milter-header.js';
export {
  filterMessages,
  type FilterMessagesOptions,
  type MailAnswer,
  type MailBody,
  type MailFilter,
  quarantine,
  type WholeMail,
} from './messages/filter-messages.js';
export {
  MilterTester,
  type TesterAnswer,
  type TesterEnd,
  type TesterMail,
  type TesterOffer,
} from './testing/tester.js';
export type { ChangedMail } from './testing/changed.js';
