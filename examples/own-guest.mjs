// A guest of your own: a program with a memory that grows and a counter outside it, moved between two halves of this process.
import { setTimeout as sleep } from 'node:timers/promises';
import { HashTracker, listen, memoryRegion, migrate } from 'pageferry';

// guide
class Diary {
  kind = 'diary';
  tracker = new HashTracker();
  entries = 0;
  memory = new WebAssembly.Memory({ initial: 16, maximum: 64 });
  bytes = () => new Uint8Array(this.memory.buffer);
  grow = (byteLength) => this.memory.grow((byteLength - this.memory.buffer.byteLength) / 65536);
  regions = [
    memoryRegion({
      name: 'diary',
      bytes: this.bytes,
      grow: this.grow,
      maxByteLength: 64 * 65536,
      linearMemory: this.memory,
    }),
  ];
  describe = () => ({ kind: this.kind, version: '1', features: [] });
  pause = async () => clearInterval(this.timer);
  resume = async () => {
    clearInterval(this.timer);
    this.timer = setInterval(() => this.write(), 1);
  };
  saveState = async () => new TextEncoder().encode(String(this.entries));
  loadState = async (state) => {
    this.entries = Number(new TextDecoder().decode(state));
  };
  write() {
    if (this.entries % 10 === 9) this.grow(this.memory.buffer.byteLength + 65536);
    new DataView(this.memory.buffer).setUint32(placeOf(this.entries), this.entries + 1, true);
    this.entries += 1;
  }
}
// end of guide

/** Far apart, so that each entry changes a page of its own. */
function placeOf(entry) {
  return ((entry * 7919) % 4096) * 256;
}

/** Every entry stands where it belongs, and nothing else does. */
function isWhole({ memory, entries }) {
  const view = new DataView(memory.buffer);
  const wanted = new Map();
  for (let entry = 0; entry < entries; entry++) wanted.set(placeOf(entry), entry + 1);
  for (let at = 0; at < memory.buffer.byteLength; at += 4) {
    if (view.getUint32(at, true) !== (wanted.get(at) ?? 0)) return false;
  }
  return true;
}

const there = new Diary();
const listener = await listen({ accept: () => there });
const here = new Diary();
await here.resume();
await sleep(100);
const before = here.memory.buffer.byteLength;
const { host, port } = listener;
const report = await migrate(here, { host, port, maxDowntimeMs: 50 }).done;
const handedOver = here.entries;
await sleep(100);
await there.pause();
await listener.close();

const whole = isWhole(here) && isWhole(there);
const ok = whole && here.entries === handedOver && there.entries > handedOver;
console.log(
  `${ok ? 'moved' : 'FAILED:'} ${handedOver} entries, ${there.entries - handedOver} more written there; ` +
    `grown by ${(here.memory.buffer.byteLength - before) >> 10} KiB on the way, paused ${report.downtimeMs?.toFixed(1)} ms, verified ${report.verified}`,
);
if (!ok) process.exitCode = 1;
