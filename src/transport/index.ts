export type { Channel } from './channel.js';
export { isLoopbackHost } from './loopback.js';
export { type MemoryPair, type MemoryPairOptions, memoryPair } from './memory-pair.js';
export {
  connectTcp,
  listenTcp,
  type TcpConnectOptions,
  type TcpListener,
  type TcpListenOptions,
} from './tcp.js';
