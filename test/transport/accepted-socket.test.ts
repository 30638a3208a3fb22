import { connect, createServer, type Server, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { takeOver } from '../../src/transport/accepted-socket.js';

describe('taking over an accepted socket', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
  });

  it('works on this version of Node, and frees the socket it took from', async () => {
    const area = new Uint8Array(16);
    const arrived = new Promise<Uint8Array>((resolve) => {
      server = createServer({ pauseOnConnect: true }, (accepted) => {
        const socket = takeOver(accepted, {
          buffer: () => area,
          callback(bytes, buffer) {
            expect(buffer.buffer).toBe(area.buffer);
            socket?.destroy();
            resolve(buffer.subarray(0, bytes));
            return true;
          },
        });
        expect(socket).toBeInstanceOf(Socket);
        expect(accepted.destroyed).toBe(true);
      });
    });
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    const address = server?.address();
    if (typeof address !== 'object' || address === null) throw new Error('no address');
    const client = connect(address.port, address.address);
    client.on('error', () => {});
    client.write(Uint8Array.of(1, 2, 3));
    expect(await arrived).toEqual(Uint8Array.of(1, 2, 3));
    client.destroy();
    await new Promise<void>((resolve) => server?.close(() => resolve()));
  });

  it('leaves alone what has no handle to take', () => {
    const socket = new Socket();
    expect(takeOver(socket, { buffer: new Uint8Array(1), callback: () => true })).toBeUndefined();
    expect(socket.destroyed).toBe(false);
  });
});
