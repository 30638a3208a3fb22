import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { Random } from '../reference/random.js';
import type { LinkShape } from './link-shape.js';
import { Relay, type RelayOptions } from './relay.js';

const unlimited: LinkShape = { bytesPerSecond: Number.POSITIVE_INFINITY, delayMs: 0 };
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** A server that says all that it hears back, and ends when its peer does. */
async function echo(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return portOf(server);
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return address.port;
}

async function relayTo(target: number, options: Partial<RelayOptions> = {}): Promise<Relay> {
  const relay = await Relay.open({ target, there: unlimited, back: unlimited, ...options });
  cleanups.push(() => relay.close());
  return relay;
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  await once(socket, 'connect');
  cleanups.push(() => socket.destroy());
  return socket;
}

/** Everything until the other end ends. */
async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const shapes: fc.Arbitrary<LinkShape> = fc.record({
  bytesPerSecond: fc.constantFrom(5e6, 50e6, Number.POSITIVE_INFINITY),
  delayMs: fc.constantFrom(0, 0.1, 3),
  jitterMs: fc.constantFrom(0, 5),
  queueBytes: fc.constantFrom(1000, 65_536, 1 << 20),
});

describe('the relay', () => {
  it('carries every byte in order, whatever the link is like and however it is cut up', async () => {
    const target = await echo();
    await fc.assert(
      fc.asyncProperty(
        shapes,
        shapes,
        fc.boolean(),
        fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 6 }),
        async (there, back, precise, lengths) => {
          const relay = await relayTo(target, { there, back, precise });
          const socket = await dial(relay.port);
          const random = new Random(lengths.length + 1);
          const said = lengths.map((length) => random.bytes(length));
          for (const bytes of said) socket.write(bytes);
          socket.end();
          const heard = await readAll(socket);
          expect(heard.equals(Buffer.concat(said))).toBe(true);
          relay.close();
        },
      ),
      { numRuns: 25 },
    );
  });

  it('holds a sender back instead of keeping what it says', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.pause();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const slow: LinkShape = { bytesPerSecond: 1e6, delayMs: 0, queueBytes: 65_536 };
    const relay = await relayTo(portOf(server), { there: slow });
    const socket = await dial(relay.port);
    socket.on('error', () => {});
    socket.write(new Uint8Array(64 << 20));
    await new Promise((resolve) => setTimeout(resolve, 300));
    // What the system's own buffers take is a few MiB.
    expect(socket.writableLength).toBeGreaterThan(0);
  });

  it('stalls: nothing arrives; and resumes: nothing was lost', async () => {
    const relay = await relayTo(await echo());
    const socket = await dial(relay.port);
    socket.write('before');
    expect(String((await once(socket, 'data'))[0])).toBe('before');
    relay.stall();
    socket.write('during');
    const heard = once(socket, 'data');
    const pause = new Promise((resolve) => setTimeout(resolve, 200, 'nothing'));
    expect(await Promise.race([heard, pause])).toBe('nothing');
    relay.resume();
    expect(String((await heard)[0])).toBe('during');
  });

  it('cuts: both ends see a reset, and it takes the next connection', async () => {
    const relay = await relayTo(await echo());
    const socket = await dial(relay.port);
    socket.write('x');
    await once(socket, 'data');
    const failed = once(socket, 'error');
    relay.cut();
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
    const next = await dial(relay.port);
    next.end('again');
    expect(String(await readAll(next))).toBe('again');
  });

  it('passes a reset on, behind a stall', async () => {
    const accepted: Socket[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => {});
      accepted.push(socket);
      socket.write('here');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const relay = await relayTo(portOf(server));
    const socket = await dial(relay.port);
    await once(socket, 'data');
    relay.stall();
    const failed = once(socket, 'error');
    for (const far of accepted) far.resetAndDestroy();
    const pause = new Promise((resolve) => setTimeout(resolve, 200, 'nothing'));
    expect(await Promise.race([failed, pause])).toBe('nothing');
    relay.resume();
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
  });
});
