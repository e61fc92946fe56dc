/** Forms that are sent to the page, and the way back to where they came from, with what happened on top of it. */
import type { Context } from 'hono';
import { ownAddress, type Vars } from '../guard.js';
import { say } from '../pages/layout.js';
import type { Notice } from '../login/sessions.js';

export type Form = ReadonlyMap<string, string>;

/** The page that is to tell them may never be asked for. */
const maxNotices = 5;
const maxNoticeText = 2_000;

export async function formOf(c: Context<Vars>): Promise<Form> {
  const body = await c.req.parseBody();
  return new Map(Object.entries(body).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])));
}

/** To a page of ours that the form names. */
export function back(c: Context<Vars>, form: Form, notice: Notice): Response {
  const where = ownAddress(form.get('back'));
  const session = c.get('session');
  const told = { ...notice, text: say(notice.text, maxNoticeText), back: where };
  session.notices = [...session.notices, told].slice(-maxNotices);
  return c.redirect(where, 303);
}
