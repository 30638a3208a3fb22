// A process that runs a ledger, waits for one or sends its own away, as its parent says over IPC (host.ts). Commits are told a few
// milliseconds after they took effect. At a gate, a call of one of the guest's methods, it says so and waits until `go` opens all of them.
import { listen, migrate } from '../../dist/index.js';
import { createLedger, receiveLedger } from '../../dist/layers/guests.js';

const flushEveryMs = 5;
let first = 0;
let digests = [];
let ledger;
let resolveDoubt = () => {};
let isOpen = false;
const waiting = new Set();

const say = (message) => process.send?.(message);

function flush() {
  if (digests.length > 0) say({ type: 'commits', first, digests: Uint32Array.from(digests) });
  digests = [];
}

function onCommit(seq, digest) {
  if (digests.length === 0) first = seq;
  digests.push(digest);
}

function gate(guest, names) {
  for (const name of names) {
    const method = guest[name]?.bind(guest) ?? (async () => {});
    guest[name] = async (...args) => {
      if (!isOpen) {
        flush();
        say({ type: 'at', gate: name });
        await new Promise((go) => waiting.add(go));
      }
      return method(...args);
    };
  }
}

/** Errors as what there is to say of them. */
function told({ error, offer, arrival, ...event }) {
  return error === undefined ? event : { ...event, code: error.code, message: error.message };
}

async function wait({ plan, options, gates }) {
  let last;
  const onStep = (_session, _event, { phase }) => {
    if (phase !== last) say({ type: 'phase', phase });
    last = phase;
  };
  const listener = await listen({
    ...options,
    watch: { onStep },
    accept: ({ regions: [region] }) => {
      ledger = receiveLedger(region.byteLength, region.maxByteLength, { ...plan, onCommit });
      gate(ledger, gates);
      return ledger;
    },
  });
  say({ type: 'listening', port: listener.port });
  for await (const event of listener) {
    if (event.type === 'in-doubt') resolveDoubt = (word) => listener.resolve(event.session, word);
    say({ type: 'event', event: told(event) });
  }
}

async function sendAway({ options, gates }) {
  gate(ledger, gates);
  const migration = migrate(ledger, options);
  migration.done.catch(() => {});
  resolveDoubt = (word) => migration.resolve(word);
  for await (const event of migration) {
    if (event.type === 'progress') continue;
    flush();
    say({ type: 'event', event });
  }
}

async function obey(order) {
  switch (order.type) {
    case 'run':
      ledger = createLedger({ ...order.plan, onCommit });
      await ledger.resume();
      say({ type: 'running' });
      return;
    case 'listen':
      return wait(order);
    case 'migrate':
      return sendAway(order);
    case 'go':
      isOpen = true;
      for (const go of waiting) go();
      return;
    case 'resolve':
      resolveDoubt(order.word);
      return;
    case 'account': {
      await ledger.pause();
      flush();
      say({ type: 'content', seq: ledger.seq, memory: ledger.regions[0].memory().slice() });
    }
  }
}

setInterval(flush, flushEveryMs);
process.on('disconnect', () => process.exit());
process.on('message', (order) => {
  obey(order).catch(({ code, message }) =>
    say({ type: 'event', event: { type: 'failed', code, message } }),
  );
});
