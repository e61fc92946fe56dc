/** rdns — rejects a client without a reverse name (a PTR record). DNS that does not answer defers. */
import { checkReverseName } from './shared/rdns-check.js';

export default checkReverseName({ name: 'rdns', inAll: true, families: [4, 6] });
