import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeMessage, type Message } from '../../src/protocol/index.js';
import type { Channel } from '../../src/transport/index.js';
import { Intake } from '../../src/transport/intake.js';
import { socketChannel } from '../../src/transport/socket-channel.js';

const small = encodeMessage({ type: 'PING', token: 1 }, { seq: 1, round: 0, attempt: 1 });
const digest = new Uint8Array(32).fill(3);
const large = new Uint8Array(8192).fill(7);

describe('frames of a socket channel', () => {
  let server: Server;
  let ours: Socket;
  let theirs: Socket;
  afterEach(() => {
    ours.destroy();
    theirs.destroy();
    server.close();
  });

  async function channel(): Promise<Channel> {
    server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('no address');
    ours = connect(address.port, address.address);
    [theirs] = await once(server, 'connection');
    if (ours.connecting) await once(ours, 'connect');
    return socketChannel(ours, new Intake());
  }

  it('leave together where they are small and of one turn, across its promises', async () => {
    const it = await channel();
    it.send(small);
    // Written only when the turn is over: to the kernel goes what is not counted as waiting in the socket.
    expect(ours.writableLength).toBe(small.length);
    await Promise.resolve();
    it.send(small);
    expect(ours.writableLength).toBe(2 * small.length);
    const [chunk] = await once(theirs, 'data');
    expect(chunk).toHaveLength(2 * small.length);
  });

  it('leave at once where they are large, with the small ones before them', async () => {
    const it = await channel();
    it.send(small);
    it.send(large);
    expect(ours.bytesWritten - ours.writableLength).toBe(small.length + large.length);
    const received: Uint8Array[] = [];
    theirs.on('data', (bytes) => received.push(bytes));
    await it.close();
    expect(Buffer.concat(received)).toEqual(Buffer.concat([small, large]));
  });

  it.each<Message>([
    { type: 'PREPARE', generation: 1, finalSeqs: [1], digest },
    { type: 'READY', digest },
    { type: 'COMMIT', digest },
    { type: 'RUNNING', digest, verifyMs: 0, loadMs: 0, acquireMs: 0, resumeMs: 0 },
  ])('leave at once where a guest stands still for them: $type', async (message) => {
    const it = await channel();
    const awaited = encodeMessage(message, { seq: 2, round: 0, attempt: 1 });
    it.send(small);
    it.send(awaited);
    expect(ours.bytesWritten - ours.writableLength).toBe(small.length + awaited.length);
    const [chunk] = await once(theirs, 'data');
    expect(chunk).toEqual(Buffer.concat([small, awaited]));
  });

  it('are not kept by a close in the same turn', async () => {
    const it = await channel();
    const received: Uint8Array[] = [];
    theirs.on('data', (bytes) => received.push(bytes));
    it.send(small);
    await it.close();
    expect(Buffer.concat(received)).toEqual(Buffer.from(small));
  });
});
