/** What every store does, told once: the embedded one here, Redis in test/peers/redis.test.ts. */
import { test } from 'node:test';
import { Embedded } from '../../src/store/embedded.js';
import { BackedStore } from '../../src/store/store.js';
import { storeContract } from './support/contract.js';

test('the embedded store', (t) => storeContract(t, new BackedStore(new Embedded({ file: undefined }))));
