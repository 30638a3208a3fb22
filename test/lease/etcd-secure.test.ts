import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Authority } from '../../src/cli/authority.js';
import { EtcdLeases } from '../../src/lease/etcd.js';
import type { EtcdOptions } from '../../src/lease/etcd-options.js';
import { until } from '../processes/until.js';
import { EtcdRoom, hasEtcd, skipped } from './etcd-room.js';
import { recordOf } from './records.js';

const guest = 'guest';
const unknown = { code: 'ERR_LEASE_UNKNOWN' };
const swap = { expected: 0n, record: recordOf('a#1'), unlessAlive: false };
const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

function open(options: EtcdOptions): EtcdLeases {
  const leases = new EtcdLeases({ ttlMs: 3000, ...options });
  opened.push(leases);
  return leases;
}

describe.skipIf(!hasEtcd)(`etcd with TLS${skipped}`, () => {
  it('is used by whom it knows, and its own certificate is checked', async () => {
    const [ours, theirs] = [await Authority.make(), await Authority.make()];
    const ca = ours.authority.pem;
    const room = await EtcdRoom.open(1, { ...(await ours.authority.issue('127.0.0.1', 1)), ca });
    opened.push(room);
    const mine = await ours.authority.issue('holder', 1);
    const { endpoints } = room;
    const leases = open({ endpoints, tls: { ...mine, ca } });
    await room.ready(() => leases.read(guest));
    let calls = 0;
    const end = leases.watch(guest, () => {
      calls += 1;
    });
    expect((await leases.swap(guest, swap)).type).toBe('won');
    expect(await leases.renew(guest, 1n)).toBe(true);
    await until('a watch', () => calls > 0);
    end();
    const stranger = await theirs.authority.issue('holder', 1);
    const refused: readonly EtcdOptions['tls'][] = [
      { ca },
      { ...stranger, ca },
      { ...mine, ca: theirs.authority.pem },
      { ...mine, ca, servername: 'another' },
      mine,
    ];
    for (const tls of refused) {
      await expect(open({ endpoints, tls }).read(guest)).rejects.toMatchObject(unknown);
    }
  });
});

describe.skipIf(!hasEtcd)(`etcd with users${skipped}`, () => {
  async function locked(): Promise<EtcdRoom> {
    const room = await EtcdRoom.open();
    opened.push(room);
    await room.ready(() => open({ endpoints: room.endpoints }).read(guest));
    const [url] = room.endpoints;
    const tell = async (path: string, body: unknown): Promise<void> => {
      const options = { method: 'POST', body: JSON.stringify(body) };
      const response = await fetch(`${url}/v3/auth/${path}`, options);
      expect([path, response.status]).toEqual([path, 200]);
      await response.text();
    };
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    await tell('user/add', { name: 'root', password: 'root' });
    await tell('role/add', { name: 'root' });
    await tell('user/grant', { user: 'root', role: 'root' });
    await tell('user/add', { name: 'holder', password: 'secret' });
    await tell('role/add', { name: 'leases' });
    const perm = { permType: 'READWRITE', key: base64('ours/'), range_end: base64('ours0') };
    await tell('role/grant', { name: 'leases', perm });
    await tell('user/grant', { user: 'holder', role: 'leases' });
    await tell('enable', {});
    return room;
  }

  it('is used by whom it knows, for what he may, also when it forgot his token', async () => {
    const room = await locked();
    const { endpoints } = room;
    const known = { endpoints, prefix: 'ours', user: 'holder', password: 'secret' };
    const leases = open(known);
    let calls = 0;
    const end = leases.watch(guest, () => {
      calls += 1;
    });
    const won = await leases.swap(guest, swap);
    expect(won.type).toBe('won');
    expect(await leases.renew(guest, 1n)).toBe(true);
    await until('a watch', () => calls > 0);
    for (const options of [
      { endpoints, prefix: 'ours' },
      { ...known, password: 'wrong' },
      { ...known, prefix: 'theirs' },
    ]) {
      await expect(open(options).read(guest)).rejects.toMatchObject(unknown);
    }
    await room.restart(0);
    const before = calls;
    await until('a look with another token', () =>
      leases.read(guest).then(
        ({ record }) => record !== undefined,
        () => false,
      ),
    );
    await until('a watch with another token', () => calls > before);
    const revision = won.type === 'won' ? won.revision : 0n;
    const again = await leases.swap(guest, { ...swap, expected: revision });
    expect(again.type).toBe('won');
    end();
  });

  it('is used again after what its users may was changed', async () => {
    const room = await locked();
    const { endpoints } = room;
    const leases = open({ endpoints, prefix: 'ours', user: 'holder', password: 'secret' });
    expect((await leases.swap(guest, swap)).type).toBe('won');
    const [url] = endpoints;
    const post = async (path: string, body: unknown, token?: string): Promise<string> => {
      const headers = token === undefined ? {} : { authorization: token };
      const options = { method: 'POST', body: JSON.stringify(body), headers };
      return (await fetch(`${url}/v3/auth/${path}`, options)).text();
    };
    const { token } = JSON.parse(await post('authenticate', { name: 'root', password: 'root' }));
    await post('role/add', { name: 'another' }, token);
    expect(await leases.renew(guest, 1n)).toBe(true);
    expect(await leases.read(guest)).toMatchObject({ alive: 1n });
  });
});

describe('what answers in the place of etcd', () => {
  async function answers(status: number, headers: Record<string, string>, text: string) {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      request.resume();
      const upgrade = status === 101 ? { connection: 'upgrade', upgrade: 'other' } : {};
      response.writeHead(status, { ...headers, ...upgrade }).end(text);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    opened.push({
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    });
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { asked, endpoint, leases: open({ endpoints: [endpoint] }) };
  }

  it.each([
    ['nothing', 200, ''],
    ['no object', 200, '7'],
    ['no cluster', 200, '{"responses":[{"response_range":{}},{"response_range":{}}]}'],
    ['no responses', 200, '{"header":{"cluster_id":"1"}}'],
    ['that it speaks something else from now on', 101, ''],
    ['a page', 502, '<html>'],
    [
      'a number for a text',
      200,
      '{"succeeded":true,"header":{"cluster_id":"1","revision":7},"ID":"7","TTL":"9"}',
    ],
    ['more than it may', 200, ' '.repeat(2 ** 20 + 1)],
    ['less time than was asked for', 200, '{"header":{"cluster_id":"1"},"ID":"7","TTL":"1"}'],
    [
      'another guest',
      200,
      '{"header":{"cluster_id":"1"},"responses":[{"response_range":{"kvs":[{"key":"YQ==","value":"YQ==","mod_revision":"7"}]}},{"response_range":{}}]}',
    ],
  ])('is not believed where it says %s', async (_, status, text) => {
    const { leases } = await answers(status, {}, text);
    await expect(leases.read(guest)).rejects.toMatchObject(unknown);
    await expect(leases.swap(guest, swap)).rejects.toMatchObject(unknown);
    await expect(leases.renew(guest, 1n)).rejects.toMatchObject(unknown);
  });

  it('leads nobody elsewhere', async () => {
    const nobody =
      '{"header":{"cluster_id":"1"},"responses":[{"response_range":{}},{"response_range":{}}]}';
    const elsewhere = await answers(200, {}, nobody);
    expect((await elsewhere.leases.read(guest)).revision).toBe(0n);
    const location = `${elsewhere.endpoint}/v3/kv/txn`;
    const { leases } = await answers(307, { location }, nobody);
    await expect(leases.read(guest)).rejects.toMatchObject(unknown);
    expect(elsewhere.asked).toHaveLength(1);
  });
});
