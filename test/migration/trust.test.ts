import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Authority } from '../../src/cli/authority.js';
import { FerryError } from '../../src/errors.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { OpenTap } from '../../src/migration/link.js';
import {
  type ListenEvent,
  type Listener,
  type ListenOptions,
  listen,
} from '../../src/migration/listen.js';
import { type MigrateTarget, type Migration, migrate } from '../../src/migration/migrate.js';
import type { MigrateOptions } from '../../src/migration/options.js';
import { SessionOwner } from '../../src/migration/session-owner.js';
import { newToken } from '../../src/migration/trust.js';
import { readHeader } from '../../src/protocol/header.js';
import {
  decodeMessage,
  encodeMessage,
  type Hello,
  type Message,
} from '../../src/protocol/index.js';
import type { Certificates } from '../../src/transport/certificate-credentials.js';
import { type Channel, connectTls, Token, TokenCredentials } from '../../src/transport/index.js';
import { Random } from '../reference/random.js';

const closing: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});

interface Destination {
  readonly listener: Listener;
  readonly memories: Uint8Array[];
  readonly events: ListenEvent[];
}

async function destination(options: Partial<ListenOptions>): Promise<Destination> {
  const memories: Uint8Array[] = [];
  const events: ListenEvent[] = [];
  const listener = await listen({
    accept(offer) {
      const memory = new Uint8Array(offer.byteLength);
      memories.push(memory);
      return bufferGuest(memory);
    },
    ...options,
  });
  closing.push(listener);
  (async () => {
    for await (const event of listener) events.push(event);
  })();
  return { listener, memories, events };
}

const memory = new Random(3).bytes(300 * 4096);

function send(
  { listener }: Destination,
  options: Partial<MigrateOptions & MigrateTarget> = {},
): Migration {
  const { host, port } = listener;
  return migrate(bufferGuest(memory.slice()), { host, port, maxDowntimeMs: 1000, ...options });
}

async function codeOf(migration: Migration): Promise<string> {
  return migration.done.then(
    () => 'completed',
    (error: unknown) => (error instanceof FerryError ? error.code : String(error)),
  );
}

/** Hands connections on to `port`. */
async function relayTo(port: number): Promise<number> {
  const sockets: Socket[] = [];
  const server: Server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    sockets.push(near, far);
    for (const socket of [near, far]) socket.on('error', () => {});
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push({
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

describe('a migration with a token', () => {
  it.each([1, 3])(
    'arrives over %s connections, with no checksum of its own',
    async (connections) => {
      const token = newToken();
      const to = await destination({ token });
      const sums: bigint[] = [];
      const tap: OpenTap = () => (direction, frame) => {
        const { type, checksum } = readHeader(frame);
        if (direction === 'out' && type === 'PAGES') sums.push(checksum);
      };
      const report = await send(to, { token, connections, watch: { tap } }).done;
      expect(new Set(sums)).toEqual(new Set([0n]));
      expect(report.verified).toBe('memory');
      expect(Buffer.compare(to.memories[0] ?? new Uint8Array(), memory)).toBe(0);
      await expect.poll(() => to.events.map(({ type }) => type)).toContain('arrived');
    },
  );

  it('needs the same one on both sides', async () => {
    const to = await destination({ token: newToken() });
    expect(await codeOf(send(to, { token: newToken() }))).toBe('ERR_AUTH');
    expect(await codeOf(send(to))).toMatch(/ERR_AUTH|ERR_CONNECTION_LOST/);
    const strangers = () => to.events.filter(({ type }) => type === 'stranger');
    await expect.poll(() => strangers().length).toBe(2);
    expect(strangers().map((event) => 'error' in event && event.error.code)).toEqual([
      'ERR_AUTH',
      'ERR_AUTH',
    ]);
    expect(to.memories).toEqual([]);
    const bare = await destination({});
    expect(await codeOf(send(bare, { token: newToken() }))).toMatch(/ERR_AUTH|ERR_CONNECTION_LOST/);
  });

  it('lets another machine in without insecure', async () => {
    const token = newToken();
    const to = await destination({ token, host: '0.0.0.0' });
    expect(await codeOf(send(to, { token, host: '127.0.0.1' }))).toBe('completed');
    await expect(destination({ host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'ERR_NOT_LOOPBACK',
    });
  });

  it('opens one migration, unless told otherwise', async () => {
    const token = newToken();
    const once = await destination({ token });
    expect(await codeOf(send(once, { token }))).toBe('completed');
    expect(await codeOf(send(once, { token }))).toBe('ERR_AUTH');
    const twice = await destination({ token, tokenUses: 2 });
    const codes = [];
    for (let count = 0; count < 3; count++) codes.push(await codeOf(send(twice, { token })));
    expect(codes).toEqual(['completed', 'completed', 'ERR_AUTH']);
  });

  it('is not used up by a migration that came to nothing', async () => {
    const token = newToken();
    let tries = 0;
    const to = await destination({
      token,
      accept(offer) {
        tries += 1;
        if (tries === 1) throw new FerryError('ERR_NO_CAPACITY', 'not now');
        return bufferGuest(new Uint8Array(offer.byteLength));
      },
    });
    expect(await codeOf(send(to, { token }))).toBe('ERR_NO_CAPACITY');
    expect(await codeOf(send(to, { token }))).toBe('completed');
  });

  it('begins only as long as the token is good', async () => {
    const token = newToken();
    const to = await destination({ token, tokenTtlMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await codeOf(send(to, { token }))).toBe('ERR_AUTH');
  });

  it('is not handed back to its own process by somebody in the middle', async () => {
    const token = newToken();
    const to = await destination({ token });
    const port = await relayTo(to.listener.port);
    expect(await codeOf(send(to, { token, port }))).toMatch(/ERR_AUTH|ERR_CONNECTION_LOST/);
    expect(to.memories).toEqual([]);
    await expect
      .poll(() => to.events.map((event) => ('error' in event ? event.error.message : '')))
      .toContainEqual(expect.stringContaining('this process itself'));
    expect(await codeOf(send(to, { token }))).toBe('completed');
  });

  it('is refused where it is malformed, or comes with certificates, without being repeated', async () => {
    const token = newToken().slice(1);
    const to = await destination({});
    expect(() => send(to, { token })).toThrow(TypeError);
    expect(() => send(to, { token })).not.toThrow(token);
    await expect(destination({ token })).rejects.toThrow(TypeError);
    const tls: Certificates = { ca: '', cert: '', key: '' };
    expect(() => send(to, { token: newToken(), tls })).toThrow(/not both/);
    for (const wrong of [
      { tokenUses: 0 },
      { tokenUses: 1.5 },
      { tokenTtlMs: 0 },
      { tokenTtlMs: Number.NaN },
    ]) {
      await expect(destination({ token: newToken(), ...wrong })).rejects.toThrow(RangeError);
    }
  });
});

describe('a migration with certificates', () => {
  it('arrives between names that are allowed, and only there', async () => {
    const { authority } = await Authority.make();
    const of = async (name: string, allow?: string[]): Promise<Certificates> => ({
      ...(await authority.issue(name, 1)),
      ca: authority.pem,
      allow,
    });
    const to = await destination({ tls: await of('there', ['here']) });
    expect(await codeOf(send(to, { tls: await of('stranger', ['there']) }))).toBe('ERR_AUTH');
    expect(await codeOf(send(to, { tls: await of('here', ['elsewhere']) }))).toBe('ERR_AUTH');
    expect(await codeOf(send(to, { tls: await of('here') }))).toBe('ERR_AUTH');
    expect(to.memories).toEqual([]);
    expect(await codeOf(send(to, { tls: await of('here', ['there']) }))).toBe('completed');
    expect(Buffer.compare(to.memories[0] ?? new Uint8Array(), memory)).toBe(0);
  });
});

/** A source with a valid token that says what it likes. */
class Impostor {
  readonly heard: Message[] = [];
  readonly closed: Promise<void>;
  readonly channel: Channel;

  constructor(channel: Channel) {
    this.channel = channel;
    channel.onFrame = (frame) => void this.heard.push(decodeMessage(frame).message);
    this.closed = new Promise((resolve) => {
      channel.onClose = () => resolve();
    });
  }

  static async open({ listener }: Destination, token: string): Promise<Impostor> {
    const credentials = new TokenCredentials(Token.parse(token));
    const { host, port } = listener;
    return new Impostor(await connectTls({ host, port, credentials }));
  }

  say(hello: Hello): void {
    this.channel.send(encodeMessage(hello, { seq: 1, round: 0, attempt: hello.attempt }));
  }
}

describe('a session that belongs to a source', () => {
  const session = new Uint8Array(16).fill(7);
  function hello(different: Partial<Hello>): Hello {
    return {
      type: 'HELLO',
      minVersion: 1,
      maxVersion: 1,
      session,
      attempt: 1,
      channel: 0,
      role: 'main',
      capabilities: 0,
      proof: new Uint8Array(32),
      ...different,
    };
  }

  it('is opened only with a proof, and not taken over by another holder of the token', async () => {
    const token = newToken();
    const to = await destination({ token, tokenUses: 2 });
    const unproved = await Impostor.open(to, token);
    unproved.say(hello({}));
    await unproved.closed;
    expect(unproved.heard).toMatchObject([{ type: 'REJECT', code: 'ERR_AUTH' }]);

    const rightful = await Impostor.open(to, token);
    const { peer } = rightful.channel;
    if (peer === undefined) throw new Error('nobody proved');
    const owner = new SessionOwner(peer, session);
    rightful.say(hello({ proof: owner.prove(peer, hello({})) }));
    await expect.poll(() => rightful.heard.map(({ type }) => type)).toEqual(['HELLO_ACK']);

    for (const role of ['main', 'ask', 'pages'] as const) {
      const other = await Impostor.open(to, token);
      const claim = hello({
        attempt: role === 'pages' ? 1 : 2,
        channel: role === 'pages' ? 1 : 0,
        role,
      });
      const { peer: seen } = other.channel;
      if (seen === undefined) throw new Error('nobody proved');
      // The best there is without the first connection's secret.
      other.say({ ...claim, proof: new SessionOwner(seen, session).prove(seen, claim) });
      await other.closed;
      expect(other.heard, role).toMatchObject([{ type: 'REJECT', code: 'ERR_AUTH' }]);
    }
    // It is still there, and its own next connection takes its place.
    const next = await Impostor.open(to, token);
    if (next.channel.peer === undefined) throw new Error('nobody proved');
    const claim = hello({ attempt: 2, role: 'ask' });
    const proof = owner.prove(next.channel.peer, claim);
    const replayed = await Impostor.open(to, token);
    replayed.say({ ...claim, proof });
    await replayed.closed;
    expect(replayed.heard).toMatchObject([{ type: 'REJECT', code: 'ERR_AUTH' }]);
    next.say({ ...claim, proof });
    await expect.poll(() => next.heard.map(({ type }) => type)).toEqual(['HELLO_ACK']);
    next.channel.destroy();
    rightful.channel.destroy();
  });
});
