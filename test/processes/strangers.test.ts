import { createServer } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { encodeMessage } from '../../src/protocol/index.js';
import { examples } from '../reference/examples.js';
import { type FakeServer, listenAs, listenRaw } from './fake-destination.js';
import { FakeSource } from './fake-source.js';
import { forge } from './forge.js';
import { dropped, inRoom } from './room.js';

const firstOrder = { seq: 1, round: 0, attempt: 1 };
const helloBody = encodeMessage(examples.HELLO, firstOrder).subarray(40);

interface Stranger {
  readonly who: string;
  readonly code: string;
  /** What it says after it connected. */
  readonly says: Uint8Array | string;
  /** It hangs up behind that. */
  readonly hangsUp?: boolean;
}

const strangers: readonly Stranger[] = [
  { who: 'an HTTP request', code: 'ERR_NOT_A_PEER', says: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' },
  { who: 'one wrong byte', code: 'ERR_NOT_A_PEER', says: 'Q' },
  { who: 'somebody who says nothing', code: 'ERR_PEER_TIMEOUT', says: '' },
  { who: 'somebody who hangs up', code: 'ERR_CONNECTION_LOST', says: '', hangsUp: true },
  {
    who: 'a frame of a newer version',
    code: 'ERR_VERSION',
    says: forge('HELLO', helloBody, firstOrder, { version: 2 }),
  },
  {
    who: 'a frame of an older version',
    code: 'ERR_VERSION',
    says: forge('HELLO', helloBody, firstOrder, { version: 0 }),
  },
  {
    who: 'a source of newer versions only',
    code: 'ERR_VERSION',
    says: encodeMessage({ ...examples.HELLO, minVersion: 2, maxVersion: 3 }, firstOrder),
  },
  {
    who: 'a HELLO that ends in its middle',
    code: 'ERR_CONNECTION_LOST',
    says: encodeMessage(examples.HELLO, firstOrder).subarray(0, 50),
    hangsUp: true,
  },
];

describe.concurrent('a receiver that waits for one image', () => {
  it.each(strangers)(
    'says $code of $who and takes the next image all the same',
    ({ code, says, hangsUp }) =>
      inRoom(async (room) => {
        const receiver = await room.receive('--once');
        const stranger = connect({ port: receiver.port, host: '127.0.0.1' });
        room.keep({ close: () => stranger.destroy() });
        stranger.on('error', () => {}).resume();
        stranger.write(says);
        if (hangsUp === true) stranger.end();
        expect(await dropped(receiver)).toMatchObject({ code });
        await room.expectStillReceives(receiver);
        expect(receiver.process.stderr).toContain(`pageferry: ${code}: `);
      })(),
  );

  it(
    'refuses a source of newer versions with ERR_VERSION',
    inRoom(async (room) => {
      const receiver = await room.receive('--once');
      const source = room.keep(await FakeSource.connect(receiver.port));
      source.say(source.hello({ minVersion: 2, maxVersion: 3 }));
      expect(await source.hearOf('REJECT')).toMatchObject({ code: 'ERR_VERSION' });
      await room.expectStillReceives(receiver);
    }),
  );
});

interface WrongServer {
  readonly what: string;
  readonly code: string;
  readonly exit: number;
  readonly listen: () => Promise<FakeServer>;
}

const servers: readonly WrongServer[] = [
  { what: 'an HTTP server', code: 'ERR_NOT_A_PEER', exit: 1, listen: listenHttp },
  {
    what: 'a server that says nothing',
    code: 'ERR_PEER_TIMEOUT',
    exit: 1,
    listen: () => listenRaw((socket) => socket.resume()),
  },
  {
    what: 'a server that closes at once',
    code: 'ERR_CONNECTION_LOST',
    exit: 1,
    listen: () => listenRaw((socket) => socket.destroy()),
  },
  {
    what: 'a server that greets in a line of text',
    code: 'ERR_NOT_A_PEER',
    exit: 1,
    listen: () => listenRaw((socket) => socket.write('220 mail.example ready\r\n')),
  },
  {
    what: 'a destination whose frames are of a newer version',
    code: 'ERR_VERSION',
    exit: 1,
    listen: () =>
      listenRaw((socket) =>
        socket.write(forge('HELLO_ACK', new Uint8Array(12), firstOrder, { version: 2 })),
      ),
  },
  {
    what: 'a destination that refuses its version',
    code: 'ERR_VERSION',
    exit: 3,
    listen: () =>
      listenAs(async (peer) => {
        await peer.hearOf('HELLO');
        peer.say({ type: 'REJECT', code: 'ERR_VERSION', text: 'too \u001b[31mnew' });
      }),
  },
];

describe.concurrent('a source', () => {
  it.each(servers)('says $code of $what', ({ code, exit, listen }) =>
    inRoom(async (room) => {
      const server = room.keep(await listen());
      const file = await room.file('image', 'content');
      const sent = await room.send(file, server.port).gone();
      const side = exit === 3 ? 'destination' : 'source';
      expect(sent).toMatchObject({ code: exit, last: { type: 'failed', code, side } });
      expect(sent.stderr).toContain(`pageferry: ${code}: `);
      expect(sent.stderr).not.toContain('\u001b');
    })(),
  );

  it(
    'says ERR_CONNECTION_LOST where nobody listens',
    inRoom(async (room) => {
      const server = await listenRaw(() => {});
      server.close();
      const sent = await room.send(await room.file('image', 'content'), server.port).gone();
      expect(sent).toMatchObject({ code: 1, last: { code: 'ERR_CONNECTION_LOST' } });
    }),
  );
});

async function listenHttp(): Promise<FakeServer> {
  const server = createServer((_request, response) => response.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return {
    port: address.port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
