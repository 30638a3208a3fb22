import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, onTestFinished } from 'vitest';
import { EtcdLeases } from '../../src/lease/etcd.js';
import { describeConformance, type TestEngine } from './conformance.js';
import { EtcdRoom, hasEtcd, skipped } from './etcd-room.js';

const module = fileURLToPath(new URL('./etcd-module.mjs', import.meta.url));
const ttlMs = 2000;
let room: EtcdRoom;
let rooms = 0;

async function makeEngine(): Promise<TestEngine> {
  rooms += 1;
  const options = { endpoints: room.endpoints, ttlMs, prefix: `test-${rooms}` };
  return {
    module,
    options,
    provider: async () => {
      const leases = new EtcdLeases(options);
      onTestFinished(() => leases.close());
      return leases;
    },
  };
}

describe.skipIf(!hasEtcd)(`etcd${skipped}`, () => {
  beforeAll(async () => {
    room = await EtcdRoom.open();
    await room.ready((url) => new EtcdLeases({ endpoints: [url] }).read('ready'));
  }, 60_000);
  afterAll(() => room[Symbol.asyncDispose]());

  describeConformance('etcd', makeEngine);
});
