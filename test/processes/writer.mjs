import { openSync, writeSync } from 'node:fs';

// Writes numbered blocks of 4 KiB into the file argv[2], all of whose content follows from seed and count (see writer.ts), and tells its
// parent how far it is.
const [, , path, blocksText, seedText, perSecondText, lastText] = process.argv;
const blocks = Number(blocksText);
const perSecond = Number(perSecondText);
const last = Number(lastText);
const file = openSync(path, 'r+');
const block = Buffer.alloc(4096);
const startedAt = performance.now();
let state = Number(seedText) >>> 0;
let count = 0;

function step() {
  const due = Math.min(last, Math.ceil(((performance.now() - startedAt) / 1000) * perSecond));
  for (const until = Math.min(due, count + 64); count < until; ) {
    count += 1;
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    for (let at = 0; at < 4096; at += 8) {
      block.writeUInt32LE(count, at);
      block.writeUInt32LE(state, at + 4);
    }
    writeSync(file, block, 0, 4096, (state % blocks) * 4096);
  }
  process.send?.(count);
  if (count < last) setTimeout(step, 1);
  else setInterval(() => {}, 1000);
}

process.on('disconnect', () => process.exit());
step();
