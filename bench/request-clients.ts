// Clients that each ask for one thing at a time over a connection of their own: `request-clients.js PORT CLIENTS MS`. When MS are over it says on stdout what they had: {"rate": requests a second, "ms": median time of
// a request}. A request is one byte, and so is its answer.
import { once } from 'node:events';
import { connect } from 'node:net';
import { percentile } from './percentile.js';

const [port = 0, clients = 0, ms = 0] = process.argv.slice(2).map(Number);
const latencies: number[] = [];
const from = performance.now();

async function client(): Promise<void> {
  const socket = connect(port, '127.0.0.1').setNoDelay();
  await once(socket, 'connect');
  while (performance.now() - from < ms) {
    const askedAt = performance.now();
    socket.write('?');
    await once(socket, 'data');
    latencies.push(performance.now() - askedAt);
  }
  socket.destroy();
}

await Promise.all(Array.from({ length: clients }, client));
const rate = (latencies.length * 1000) / (performance.now() - from);
console.log(JSON.stringify({ rate, ms: percentile(latencies, 0.5) }));
