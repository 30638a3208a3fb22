// The far end of bench/floor.ts. Argument: the port to connect to. Reads into one buffer, as a destination does.
import { connect } from 'node:net';
import { switchoverBytes } from './switchover-messages.js';

const buffer = Buffer.alloc(256 << 10);
/** What is awaited: the length of the pages, then these and PREPARE, then COMMIT. */
let phase: 'length' | 'pages' | 'commit' = 'length';
let awaited = 8;

const socket = connect({
  port: Number(process.argv[2]),
  host: '127.0.0.1',
  noDelay: true,
  onread: {
    buffer,
    callback(length) {
      awaited -= length;
      if (awaited === 0) answer();
      return true;
    },
  },
});

function answer(): void {
  switch (phase) {
    case 'length':
      phase = 'pages';
      awaited = buffer.readDoubleBE(0) + switchoverBytes.prepare;
      socket.write(Buffer.alloc(1));
      break;
    case 'pages':
      phase = 'commit';
      awaited = switchoverBytes.commit;
      socket.write(Buffer.alloc(switchoverBytes.ready));
      break;
    case 'commit':
      phase = 'length';
      awaited = 8;
      socket.write(Buffer.alloc(switchoverBytes.running));
      break;
    default:
      phase satisfies never;
  }
}
