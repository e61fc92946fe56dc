/** What a worker is told by its primary: settings and certificates at its start, settings again at each reload. */
import type { Settings } from '../../settings/settings.js';
import { question } from '../service/channel.js';
import type { SurveyedPlugin } from './survey.js';

export interface Orders {
  readonly settings: Settings;
  /** How many ports it was given. */
  readonly ports: number;
  /** PEM, as read before rights were given up: the key may be root's alone. */
  readonly certificates: readonly { readonly name: string; readonly cert: string; readonly key: string }[];
  /** For TLS session tickets, as base64. */
  readonly ticketKeys: string;
}

/** A worker's first question. */
export const orders = question<undefined, Orders | undefined>('orders');
/** The plugins that it has loaded. */
export const listing = question<undefined, readonly SurveyedPlugin[]>('plugins');
/**
 * Asks whether a worker can serve with these settings. Where it cannot, the old ones stay, and the reason is logged.
 */
export const reloading = question<Settings, boolean>('reload');
