/** Reads the forms that are sent to the page, and leads back to where they came from, where the notice is shown. */
import type { Context } from 'hono';
import { ownAddress, type Vars } from '../guard.js';
import { say } from '../pages/layout.js';
import type { Notice } from '../login/sessions.js';

export type Form = ReadonlyMap<string, string>;

/** Notices wait in the session for the page that shows them, which may never be asked for. */
const maxNotices = 5;
const maxNoticeText = 2_000;

export async function formOf(c: Context<Vars>): Promise<Form> {
  const body = await c.req.parseBody();
  return new Map(Object.entries(body).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])));
}

/** Redirects to the page of ours that the form names, which shows the notice. */
export function back(c: Context<Vars>, form: Form, notice: Notice): Response {
  const where = ownAddress(form.get('back'));
  const session = c.get('session');
  const told = { ...notice, text: say(notice.text, maxNoticeText), back: where };
  session.notices = [...session.notices, told].slice(-maxNotices);
  return c.redirect(where, 303);
}
