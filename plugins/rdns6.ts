/** rdns6 — rejects an IPv6 client without a reverse name. Not part of checks/all. */
import { checkReverseName } from './shared/rdns-check.js';

export default checkReverseName({ name: 'rdns6', inAll: false, families: [6] });
