import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** The same both ways. */
export interface LinkKind {
  readonly name: string;
  /** Infinity: as fast as it goes. */
  readonly bytesPerSecond: number;
  readonly rttMs: number;
}

export interface OpenLink extends Disposable {
  /** Where to connect instead of the target. */
  readonly port: number;
  /** Resets every connection. */
  cut(): void;
}

/** Opens a relay of this kind to `target`, in a process of its own (bench/relay-process.ts). */
export async function openLink(kind: LinkKind, target: number): Promise<OpenLink> {
  const { bytesPerSecond, rttMs } = kind;
  // JSON knows no Infinity: it becomes null.
  const job = JSON.stringify({ target, bytesPerSecond, delayMs: rttMs / 2 });
  const child = fork(new URL('./relay-process.js', import.meta.url), [job]);
  const [message] = await once(child, 'message');
  const { port }: { port: number } = message;
  return {
    port,
    cut: () => void child.send('cut'),
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  };
}

/** Bytes a second that plain sockets carry through `kind`: written as fast as they are taken, counted as they arrive. */
export async function socketCopy(kind: LinkKind, seconds: number): Promise<number> {
  let arrived = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', ({ length }) => {
      arrived += length;
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('not listening');
  using link = await openLink(kind, address.port);
  const socket = connect({ host: '127.0.0.1', port: link.port });
  await once(socket, 'connect');
  const piece = new Uint8Array(256 << 10);
  const from = performance.now();
  const end = from + seconds * 1000;
  const write = (): void => {
    while (performance.now() < end) {
      if (!socket.write(piece)) return void socket.once('drain', write);
    }
  };
  write();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const rate = arrived / ((performance.now() - from) / 1000);
  socket.destroy();
  server.close();
  return rate;
}
