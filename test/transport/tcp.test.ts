import { getEventListeners } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { encodeMessage } from '../../src/protocol/index.js';
import {
  type Channel,
  connectTcp,
  isLoopbackHost,
  listenTcp,
  type TcpListener,
  type TcpListenOptions,
} from '../../src/transport/index.js';
import { type ChannelPair, channelConformance } from '../conformance/channel.js';

const frame = encodeMessage({ type: 'PING', token: 1 }, { seq: 1, round: 0, attempt: 1 });

async function tcpPair(host: string, reading: TcpListenOptions['reading']): Promise<ChannelPair> {
  let accepted: (channel: Channel) => void = () => {};
  const acceptedChannel = new Promise<Channel>((resolve) => {
    accepted = resolve;
  });
  const listener = await listenTcp({ host, port: 0, reading, onChannel: (it) => accepted(it) });
  const [a, b] = await Promise.all([
    connectTcp({ host: listener.host, port: listener.port }),
    acceptedChannel,
  ]);
  return { a, b, dispose: () => listener.close() };
}

channelConformance('a TCP channel', () => tcpPair('127.0.0.1', 'auto'));
channelConformance('a TCP channel over IPv6', () => tcpPair('::1', 'auto'));
channelConformance('a TCP channel that reads events', () => tcpPair('127.0.0.1', 'events'));

describe('TCP', () => {
  const opened: { destroy(): void }[] = [];
  const listeners: TcpListener[] = [];
  afterEach(async () => {
    for (const one of opened.splice(0)) one.destroy();
    for (const listener of listeners.splice(0)) await listener.close();
  });

  /** A listener, and a plain socket connected to it; `end` is what the accepted channel ends with. */
  async function plainSocket(
    reading: TcpListenOptions['reading'] = 'auto',
  ): Promise<{ socket: Socket; frames: Uint8Array[]; end: Promise<FerryError | undefined> }> {
    const frames: Uint8Array[] = [];
    let ended: (reason: FerryError | undefined) => void = () => {};
    const end = new Promise<FerryError | undefined>((resolve) => {
      ended = resolve;
    });
    const listener = await listenTcp({
      host: '127.0.0.1',
      port: 0,
      reading,
      onChannel(channel) {
        channel.onFrame = (bytes) => void frames.push(bytes.slice());
        channel.onClose = ended;
      },
    });
    const socket = connect(listener.port, listener.host);
    socket.on('error', () => {});
    listeners.push(listener);
    opened.push(socket);
    return { socket, frames, end };
  }

  for (const reading of ['auto', 'events'] as const) {
    describe(`accepted, reading ${reading}`, () => {
      it('takes frames however the peer cuts them', async () => {
        const { socket, frames, end } = await plainSocket(reading);
        socket.setNoDelay(true);
        for (const byte of frame) {
          socket.write(Uint8Array.of(byte));
          await new Promise(setImmediate);
        }
        socket.end(frame);
        expect(await end).toBeUndefined();
        expect(frames).toEqual([frame, frame]);
      });

      it('calls a stream that ends inside a frame a lost connection', async () => {
        for (const bytes of [1, 39, 40, 43]) {
          const { socket, end } = await plainSocket(reading);
          socket.end(frame.subarray(0, bytes));
          expect((await end)?.code).toBe('ERR_CONNECTION_LOST');
        }
      });

      it('calls a reset inside a frame a lost connection', async () => {
        const { socket, end, frames } = await plainSocket(reading);
        socket.write(frame.subarray(0, 41), () => socket.resetAndDestroy());
        expect((await end)?.code).toBe('ERR_CONNECTION_LOST');
        expect(frames).toEqual([]);
      });

      it('ends in order when the peer leaves between two frames', async () => {
        const { socket, end } = await plainSocket(reading);
        socket.end(frame);
        expect(await end).toBeUndefined();
      });

      it('refuses a stranger', async () => {
        const { socket, end } = await plainSocket(reading);
        socket.write('GET / HTTP/1.1\r\n\r\n');
        expect((await end)?.code).toBe('ERR_NOT_A_PEER');
      });
    });
  }

  it('answers writes to a peer that is gone with a lost connection and releases them', async () => {
    const pair = await tcpPair('127.0.0.1', 'auto');
    let released = 0;
    const end = new Promise<FerryError | undefined>((resolve) => {
      pair.a.onClose = resolve;
    });
    pair.b.destroy();
    for (let index = 0; index < 50; index++) pair.a.send(frame, () => released++);
    expect((await end)?.code).toBe('ERR_CONNECTION_LOST');
    expect(released).toBe(50);
    await pair.dispose();
  });

  it('names the other end', async () => {
    const four = await tcpPair('127.0.0.1', 'auto');
    const six = await tcpPair('::1', 'auto');
    opened.push(four.a, four.b, six.a, six.b);
    expect(four.b.remote).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(six.a.remote).toMatch(/^\[::1\]:\d+$/);
    await Promise.all([four.dispose(), six.dispose()]);
  });

  it('connects to a name that has several addresses', async () => {
    const listener = await listenTcp({ host: '127.0.0.1', port: 0, onChannel: () => {} });
    listeners.push(listener);
    const channel = await connectTcp({ host: 'localhost', port: listener.port });
    opened.push(channel);
    expect(channel.remote).toBe(`127.0.0.1:${listener.port}`);
  });

  it('is refused with a coded error that names the address', async () => {
    const listener = await listenTcp({ host: '127.0.0.1', port: 0, onChannel: () => {} });
    await listener.close();
    const failure = await connectTcp({ host: '127.0.0.1', port: listener.port }).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(FerryError);
    expect(failure).toMatchObject({
      code: 'ERR_CONNECTION_LOST',
      message: `no connection to 127.0.0.1:${listener.port}: ECONNREFUSED`,
    });
  });

  it('reports a name that does not resolve', async () => {
    const attempt = connectTcp({ host: 'no-such-host.invalid', port: 1 });
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_CONNECTION_LOST' });
    const question = isLoopbackHost('no-such-host.invalid');
    await expect(question).rejects.toMatchObject({ code: 'ERR_CONNECTION_LOST' });
  });

  it('takes a port out of range for the mistake it is', async () => {
    for (const port of [0, 65_536, 1.5]) {
      await expect(connectTcp({ host: '127.0.0.1', port })).rejects.toThrow(RangeError);
    }
    const listening = listenTcp({ host: '127.0.0.1', port: -1, onChannel: () => {} });
    await expect(listening).rejects.toThrow(RangeError);
  });

  it('cannot listen where somebody else does', async () => {
    const listener = await listenTcp({ host: '127.0.0.1', port: 0, onChannel: () => {} });
    listeners.push(listener);
    const second = listenTcp({ host: '127.0.0.1', port: listener.port, onChannel: () => {} });
    await expect(second).rejects.toMatchObject({
      code: 'ERR_IO',
      message: `cannot listen on 127.0.0.1:${listener.port}: EADDRINUSE`,
    });
  });

  it('frees the port on close and leaves accepted channels alone', async () => {
    let accepted: Channel | undefined;
    const onChannel = (channel: Channel) => {
      accepted = channel;
    };
    const options = { host: '127.0.0.1', onChannel };
    const first = await listenTcp({ ...options, port: 0 });
    const channel = await connectTcp({ host: first.host, port: first.port });
    opened.push(channel);
    const arrived = new Promise((resolve) => {
      channel.onFrame = (bytes) => resolve(bytes.slice());
    });
    while (accepted === undefined) await new Promise(setImmediate);
    opened.push(accepted);
    await first.close();
    await first.close();
    listeners.push(await listenTcp({ ...options, port: first.port }));
    accepted.send(frame);
    expect(await arrived).toEqual(frame);
  });

  it('stops listening, and gives up connecting, when its signal aborts', async () => {
    const listening = new AbortController();
    const listener = await listenTcp({
      host: '127.0.0.1',
      port: 0,
      onChannel: () => {},
      signal: listening.signal,
    });
    listening.abort();
    const late = connectTcp({ host: listener.host, port: listener.port });
    await expect(late).rejects.toMatchObject({ code: 'ERR_CONNECTION_LOST' });

    const connecting = new AbortController();
    const { signal } = connecting;
    const attempt = connectTcp({ host: '127.0.0.1', port: listener.port, signal });
    connecting.abort(new Error('enough'));
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    const again = connectTcp({ host: '127.0.0.1', port: listener.port, signal });
    await expect(again).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const deaf = listenTcp({ host: '127.0.0.1', port: 0, onChannel: () => {}, signal });
    await expect(deaf).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('gives up connecting after its time', async () => {
    // An address kept for documentation: packets to it vanish, or there is no route at all.
    const attempt = connectTcp({ host: '192.0.2.1', port: 9, timeoutMs: 50 });
    const failure = await attempt.catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(FerryError);
    expect(['ERR_PEER_TIMEOUT', 'ERR_CONNECTION_LOST']).toContain((failure as FerryError).code);
  });

  it('leaves no timer, handle or listener behind', async () => {
    const settled = () => new Promise((resolve) => setTimeout(resolve, 20));
    await settled();
    const before = process.getActiveResourcesInfo().length;
    for (let round = 0; round < 20; round++) {
      const pair = await tcpPair('127.0.0.1', round % 2 === 0 ? 'auto' : 'events');
      pair.a.send(frame);
      await (round % 3 === 0 ? pair.b.close() : pair.a.close());
      await Promise.all([pair.a.close(), pair.b.close()]);
      await pair.dispose();
    }
    await settled();
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before);
  });
});

describe('isLoopbackHost', () => {
  it.each(['127.0.0.1', '127.9.8.7', '::1', '::ffff:127.0.0.1', 'localhost'])(
    'takes %s for this machine',
    async (host) => {
      expect(await isLoopbackHost(host)).toBe(true);
    },
  );

  it.each(['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', '::2', '::ffff:10.0.0.1', 'fe80::1'])(
    'does not take %s for it',
    async (host) => {
      expect(await isLoopbackHost(host)).toBe(false);
    },
  );
});
