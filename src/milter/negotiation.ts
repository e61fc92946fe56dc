/**
 * What filter and MTA agree on before the first session: a pure function of the filter's wishes and the MTA's offer.
 * Nothing is asked for that was not offered; what the MTA lacks, the session makes up for.
 */
import { listedName } from './macros.js';
import type {
  EditKind,
  MacroStage,
  MilterEvent,
  MilterHandlers,
  MilterPolicy,
  MilterWishes,
  Session,
} from './policy.js';

export interface Offer {
  readonly version: number;
  /** SMFIF_* bits. */
  readonly actions: number;
  /** SMFIP_* bits. */
  readonly protocol: number;
}

/** Octets of data that a frame may hold, either way. */
export function maxDataOf({ protocol: agreed }: Pick<Agreement, 'protocol'>): number {
  const sizes = Object.values(dataSizes);
  return sizes.findLast(({ bit }) => bit !== 0 && (agreed & bit) !== 0)?.octets ?? dataSizes.usual.octets;
}

/** The larger of the sizes that are wished for and offered: one bit, or none. */
function dataSizeOf(wished: number, offered: number): number {
  const both = wished & offered;
  return both & dataSizes['1M'].bit || both & dataSizes['256K'].bit;
}

/** The answer to an offer, `lists` included: macro names for a stage's number. */
export interface Agreement extends Offer {
  readonly lists: readonly (readonly [stage: number, names: string])[];
}

const ownVersion = 6;
/** Version 1 has other flags, and no MTA in use speaks it. */
const oldestVersion = 2;

/** SMFIF_* */
export const action = {
  addHeaders: 0x01, // SMFIF_ADDHDRS
  changeBody: 0x02, // SMFIF_CHGBODY
  addRecipient: 0x04, // SMFIF_ADDRCPT
  deleteRecipient: 0x08, // SMFIF_DELRCPT
  changeHeaders: 0x10, // SMFIF_CHGHDRS
  quarantine: 0x20, // SMFIF_QUARANTINE
  changeSender: 0x40, // SMFIF_CHGFROM
  addRecipientWithParameters: 0x80, // SMFIF_ADDRCPT_PAR
  setMacroLists: 0x100, // SMFIF_SETSYMLIST
} as const;

/** SMFIP_*, beside those of one event. */
export const protocol = {
  skip: 0x400, // SMFIP_SKIP
  refusedRecipients: 0x800, // SMFIP_RCPT_REJ
  leadingSpace: 0x100000, // SMFIP_HDR_LEADSPC
} as const;

/** Octets of data in a frame: what every MTA takes, and what some take where it is asked for (SMFIP_MDS_*). */
const dataSizes = {
  usual: { bit: 0, octets: 65_535 }, // MILTER_MDS_64K
  '256K': { bit: 0x10000000, octets: 262_143 }, // SMFIP_MDS_256K
  '1M': { bit: 0x20000000, octets: 1_048_575 }, // SMFIP_MDS_1M
} as const;

/** All flags that are known; others are masked out. */
const knownProtocol = 0x1fffff;

/**
 * Two flags for each event: that it is not sent, and that it is sent but not answered; 0 where the protocol has no such
 * flag.
 */
export const eventFlags: Readonly<Record<MilterEvent, { readonly unsent: number; readonly unanswered: number }>> = {
  connect: { unsent: 0x01, unanswered: 0x1000 }, // SMFIP_NOCONNECT, SMFIP_NR_CONN
  helo: { unsent: 0x02, unanswered: 0x2000 }, // SMFIP_NOHELO, SMFIP_NR_HELO
  mail: { unsent: 0x04, unanswered: 0x4000 }, // SMFIP_NOMAIL, SMFIP_NR_MAIL
  rcpt: { unsent: 0x08, unanswered: 0x8000 }, // SMFIP_NORCPT, SMFIP_NR_RCPT
  data: { unsent: 0x200, unanswered: 0x10000 }, // SMFIP_NODATA, SMFIP_NR_DATA
  header: { unsent: 0x20, unanswered: 0x80 }, // SMFIP_NOHDRS, SMFIP_NR_HDR
  eoh: { unsent: 0x40, unanswered: 0x40000 }, // SMFIP_NOEOH, SMFIP_NR_EOH
  body: { unsent: 0x10, unanswered: 0x80000 }, // SMFIP_NOBODY, SMFIP_NR_BODY
  unknown: { unsent: 0x100, unanswered: 0x20000 }, // SMFIP_NOUNKNOWN, SMFIP_NR_UNKN
  eom: { unsent: 0, unanswered: 0 },
};

/** The actions an edit needs; the first is enough. */
export const editActions: Readonly<Record<EditKind, readonly [needed: number, ...helpful: number[]]>> = {
  'add-header': [action.addHeaders],
  'insert-header': [action.addHeaders],
  'change-header': [action.changeHeaders],
  'delete-header': [action.changeHeaders],
  'change-sender': [action.changeSender],
  'add-recipient': [action.addRecipient, action.addRecipientWithParameters],
  'delete-recipient': [action.deleteRecipient],
  'replace-body': [action.changeBody],
  quarantine: [action.quarantine],
};

/** SMFIM_* */
const stageNumber: Readonly<Record<MacroStage, number>> = {
  connect: 0, // SMFIM_CONNECT
  helo: 1, // SMFIM_HELO
  mail: 2, // SMFIM_ENVFROM
  rcpt: 3, // SMFIM_ENVRCPT
  data: 4, // SMFIM_DATA
  eom: 5, // SMFIM_EOM
  eoh: 6, // SMFIM_EOH
};

type FilterWithWishes = MilterWishes & Pick<MilterHandlers<never, never>, MilterEvent>;

/** Over TCP, what is not answered can hold up the MTA's next packet by 40 ms; on a UNIX socket it cannot. */
export type MilterTransport = 'tcp' | 'unix';

/** A policy with all that it may have. */
export type MilterFilter<S, T> = MilterWishes &
  MilterHandlers<S, T> & { newSession?(): S; newTransaction?(session: Session<S>): T };

/** A policy as sessions use it: made once, shared by all. */
export interface PreparedPolicy<S, T> {
  readonly filter: MilterFilter<S, T>;
  readonly wished: Agreement;
}

export function preparePolicy<S, T>(policy: MilterPolicy<S, T>, transport?: MilterTransport): PreparedPolicy<S, T> {
  const filter = policy as unknown as MilterFilter<S, T>; // the types of its makers depend on S and T
  return { filter, wished: wishesOf(filter, transport) };
}

/** What a filter would like, before an MTA has made its offer. */
export function wishesOf(filter: FilterWithWishes, transport: MilterTransport = 'tcp'): Agreement {
  const lists = macroLists(filter);
  const edits = (filter.edits ?? []).flatMap((kind) => editActions[kind]);
  return {
    version: ownVersion,
    actions: edits.reduce((sum, bit) => sum | bit, lists.length > 0 ? action.setMacroLists : 0),
    protocol: wantedProtocol(filter, transport),
    lists,
  };
}

/** Undefined where the MTA is too old. */
export function agree(wished: Agreement, offer: Offer): Agreement | undefined {
  if (offer.version < oldestVersion) return undefined;
  const old = offer.version === oldestVersion;
  const offeredActions = old && offer.actions === 0 ? 0x0f : offer.actions; // as libmilter: SMFI_V1_ACTS
  const offeredProtocol = old && offer.protocol === 0 ? 0x3f : offer.protocol; // as libmilter: SMFI_V1_PROT
  const actions = wished.actions & offeredActions;
  return {
    version: Math.min(wished.version, offer.version),
    actions,
    protocol: (wished.protocol & offeredProtocol & knownProtocol) | dataSizeOf(wished.protocol, offeredProtocol),
    lists: (actions & action.setMacroLists) === 0 ? [] : wished.lists,
  };
}

function wantedProtocol(filter: FilterWithWishes, transport: MilterTransport): number {
  const events = Object.keys(eventFlags) as MilterEvent[];
  return events.reduce(
    (sum, event) => sum | wantedOfEvent(filter, event, transport),
    (filter.body ? protocol.skip : 0) |
      wantedDataSizes(filter) |
      (filter.refusedRecipients ? protocol.refusedRecipients : 0) |
      (filter.leadingSpace ? protocol.leadingSpace : 0),
  );
}

/** Who takes 1M takes 256K where an MTA has no more. */
function wantedDataSizes({ dataSize }: FilterWithWishes): number {
  if (dataSize === undefined) return 0;
  return dataSizes['256K'].bit | (dataSize === '1M' ? dataSizes['1M'].bit : 0);
}

function wantedOfEvent(filter: FilterWithWishes, event: MilterEvent, transport: MilterTransport): number {
  const { unsent, unanswered } = eventFlags[event];
  const isNeeded = filter[event] !== undefined && !(filter.dispensable ?? []).some((one) => one === event);
  switch (event) {
    // Every session needs to know these, so they are always sent. Our choice: over TCP they are answered even without a
    // handler, since behind an unanswered packet the MTA's next one waits for a delayed acknowledgement, 40 ms.
    case 'connect':
    case 'helo':
    case 'mail':
      return isSilent(filter, event) || (transport === 'unix' && !isNeeded) ? unanswered : 0;
    // Over TCP it is always answered: Postfix hands its socket on behind it, with the same wait for macros under way.
    case 'data':
      return transport === 'unix' && !isNeeded ? unsent : 0;
    case 'eom':
      return 0;
    default:
      if (!filter[event]) return unsent;
      return isSilent(filter, event) ? unanswered : 0;
  }
}

/** Is the event seen only, and never answered? */
function isSilent(filter: FilterWithWishes, event: MilterEvent): boolean {
  return filter[event] !== undefined && event !== 'eom' && event !== 'data' && (filter.silent ?? []).includes(event);
}

/**
 * Sendmail (8.17) looks for a list of end of header when it picks that of end of message: both are given, or neither.
 */
function macroLists({ macros = {} }: MilterWishes): Agreement['lists'] {
  const both = { eoh: macros.eoh ?? macros.eom, eom: macros.eom ?? macros.eoh };
  const stages = Object.keys(stageNumber) as MacroStage[];
  return stages.flatMap((stage) => {
    const names = stage === 'eoh' || stage === 'eom' ? both[stage] : macros[stage];
    return names ? [[stageNumber[stage], names.map(listedName).join(' ')] as const] : [];
  });
}
