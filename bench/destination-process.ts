// The other end of the pipeline and downtime benches, in a process of its own. Argument: 'pageferry' (takes migrations) or
// 'file' (writes whatever a TCP connection brings to the file named next). Tells its parent the port, then each arrival.
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { bufferGuest, listen } from '../src/index.js';

const [kind, path = ''] = process.argv.slice(2);
const say = (message: unknown): void => void process.send?.(message);

if (kind === 'pageferry') {
  const memories = new Map<number, Uint8Array>();
  const listener = await listen({
    maxImageBytes: 8 * 2 ** 30,
    accept: ({ byteLength }) => {
      // Warm: the same memory takes every migration of its size.
      const warm = memories.get(byteLength);
      const memory = warm ?? new Uint8Array(byteLength);
      memories.set(byteLength, memory);
      return bufferGuest(memory, { fresh: warm === undefined });
    },
  });
  say({ port: listener.port });
  for await (const event of listener) {
    if (event.type === 'arrived' || event.type === 'failed') say({ type: event.type });
  }
} else {
  const server = createServer(async (socket) => {
    await pipeline(socket, createWriteStream(path));
    say({ type: 'arrived' });
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object' && address !== null) say({ port: address.port });
  });
}
