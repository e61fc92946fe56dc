/**
 * mailman — rejects Mailman's notices to list owners: "post from … requires approval", and "moderator request(s)
 * waiting" of a list whose name has "logcheck" in it.
 */
import { defineCheck, pass, reject } from '../src/hooks/check.js';

const isNotice = (subject: string): boolean =>
  /\bpost from .+ requires approval/i.test(subject) ||
  (/\bmoderator request\(s\) waiting/i.test(subject) && /logcheck/i.test(subject));

export default defineCheck({
  name: 'mailman',
  inspect({ header }) {
    const subject = (header.get('subject') ?? '').slice(0, 500);
    return isNotice(subject) ? reject('Mailman moderation notice', subject) : pass;
  },
});
