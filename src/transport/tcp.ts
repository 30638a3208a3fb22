import type { Socket } from 'node:net';
import { takeOver } from './accepted-socket.js';
import type { Channel } from './channel.js';
import { dial, type TcpConnectOptions } from './dial.js';
import type { Visit } from './doorkeeper.js';
import { Intake } from './intake.js';
import { type ServeOptions, serve, type TcpListener } from './serve.js';
import { readEvents, readInto, socketChannel } from './socket-channel.js';

/**
 * Connects to a listening peer. Set the channel's callbacks in the turn the promise resolves in.
 * ERR_CONNECTION_LOST: refused, unreachable, no such name; ERR_IO: this side cannot connect at all.
 */
export async function connectTcp(options: TcpConnectOptions): Promise<Channel> {
  const intake = new Intake();
  return socketChannel(await dial(options, readInto(intake)), intake);
}

export interface TcpListenOptions extends ServeOptions {
  /** Called with each accepted connection; set the channel's callbacks before it returns. */
  readonly onChannel: (channel: Channel, visit: Visit) => void;
  /**
   * How accepted sockets are read. 'events' uses nothing but Node's public API and is slower; 'auto'
   * (default) falls back to it where it must.
   */
  readonly reading?: 'auto' | 'events' | undefined;
}

/** Listens for peers. ERR_IO: the address cannot be listened on; ERR_ABORTED. */
export function listenTcp(options: TcpListenOptions): Promise<TcpListener> {
  const { onChannel, reading = 'auto', areaBytes } = options;
  return serve(options, (accepted, visit) => {
    const intake = new Intake(areaBytes);
    const { socket, channel } = accept(accepted, intake, reading);
    visit.follow(socket);
    onChannel(channel, visit);
  });
}

function accept(
  socket: Socket,
  intake: Intake,
  reading: 'auto' | 'events',
): { socket: Socket; channel: Channel } {
  const fast = reading === 'auto' ? takeOver(socket, readInto(intake)) : undefined;
  if (fast !== undefined) return { socket: fast, channel: socketChannel(fast, intake) };
  const channel = socketChannel(socket, intake);
  readEvents(socket, intake);
  socket.resume();
  return { socket, channel };
}
