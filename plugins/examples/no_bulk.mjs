/**
 * no_bulk — rejects mail that calls itself bulk mail. This comment is its manual: postern plugins no_bulk prints it.
 *
 * @type {import('postern').Check}
 */
export default {
  name: 'no_bulk',
  inspect({ header }) {
    const isBulk = header.get('precedence')?.toLowerCase() === 'bulk';
    if (!isBulk) return { kind: 'pass' };
    const reason = 'Bulk mail is not wanted here'; // the sender reads it; log is for you alone
    return { kind: 'reject', about: 'mail', enhanced: '5.7.1', reason, log: reason };
  },
};
