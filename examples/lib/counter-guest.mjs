// A guest for `pageferry protect` and `pageferry standby`: a counter in memory that is asked over HTTP. It answers once every standby has what it answers.
import { createServer } from 'node:http';
import { bufferGuest } from 'pageferry';

const byteLength = 1 << 20;
const memory = new Uint8Array(byteLength);
const view = new DataView(memory.buffer);
let runs = false;

const guest = bufferGuest(memory, {
  tracker: 'marks',
  version: 'counter 1',
  pause() {
    runs = false;
  },
  resume() {
    runs = true;
  },
});

export const create = () => guest;
export const receive = () => guest;

/** The guest runs here: it can be asked. */
export async function serve(primary) {
  const server = createServer(async (_request, response) => {
    try {
      // Between two epochs, and while the guest is not this process's to run, it stands still.
      while (!runs) await new Promise((resolve) => setImmediate(resolve));
      const count = view.getUint32(0) + 1;
      view.setUint32(0, count);
      guest.markDirty(0, 4);
      await primary.commit();
      response.end(`${count}\n`);
    } catch {
      // Somebody else owns the guest: nothing of it is told from here.
      response.destroy();
    }
  });
  await new Promise((resolve) => server.listen(process.env.COUNTER_PORT, '127.0.0.1', resolve));
  return () => {
    server.closeAllConnections();
    server.close();
  };
}
