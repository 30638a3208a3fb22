export type { Channel } from './channel.js';
export type { TcpConnectOptions } from './dial.js';
export { isLoopbackHost } from './loopback.js';
export { type MemoryPair, type MemoryPairOptions, memoryPair } from './memory-pair.js';
export type { TcpListener } from './serve.js';
export { connectTcp, listenTcp, type TcpListenOptions } from './tcp.js';
