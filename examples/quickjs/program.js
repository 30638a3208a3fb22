// Runs inside QuickJS. What it knows lives in closures, a Map, generators half way through, promises that wait. It does nothing to be moved, but for `reseed`.

/** Math.random whose state the host can change; QuickJS's own has none that can be reached. */
const { random, reseed } = (() => {
  let state = 1;
  return {
    random() {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) / 2 ** 32;
    },
    reseed(seed) {
      state = Math.imul(state ^ seed, 0x9e3779b1) | 1;
    },
  };
})();
Math.random = random;
const drawBelow = (limit) => Math.floor(Math.random() * limit);

let digest = 0;
function mix(text) {
  for (let at = 0; at < text.length; at++)
    digest = (Math.imul(digest, 31) + text.charCodeAt(at)) | 0;
}

/** Never ends: an order each time, and what comes of it goes in. */
function* orders() {
  for (let number = 1; ; number++) {
    // Long ones in the beginning, so that memory grows early.
    const note = String(number).repeat(1 + drawBelow(number < 4000 ? 2000 : 100));
    const customer = drawBelow(1 + drawBelow(500));
    const sum = yield { number, customer, cents: 1 + drawBelow(10_000), note };
    mix(`${number}: ${sum}`);
  }
}

/** What one customer bought is known to these closures alone. */
function openAccount() {
  const bought = [];
  let cents = 0;
  return {
    buy(order) {
      bought.push(order);
      if (bought.length > 60) bought.shift();
      cents += order.cents;
      return cents;
    },
    *statement() {
      for (let line = 0; ; line++) {
        const order = bought[line % bought.length];
        yield `${order.number} for ${order.cents}, ${order.note.length} letters; ${cents} in all`;
      }
    },
  };
}

const accounts = new Map();
const stream = orders();
let sum = 0;
let steps = 0;
let delivered = 0;

/** Takes some turns of the host. */
async function deliver({ number }) {
  for (let turns = number % 7; turns > 0; turns--) await undefined;
  delivered += 1;
  mix(`delivered ${number}`);
}

// What the host calls.

globalThis.step = () => {
  const order = stream.next(sum).value;
  if (!accounts.has(order.customer)) accounts.set(order.customer, openAccount());
  sum = accounts.get(order.customer).buy(order);
  deliver(order);
  steps += 1;
  if (steps % 1000 === 0) host.note(steps);
  return steps;
};

/** A generator that nothing but the host holds. */
globalThis.openStatement = () => [...accounts.values()][steps % accounts.size].statement();

globalThis.readLine = (statement) => mix(statement.next().value);

const reseeds = [];
globalThis.reseed = (seed) => {
  reseeds.push([steps, seed]);
  reseed(seed);
};

globalThis.summary = () => `${digest >>> 0}, ${accounts.size} customers, ${delivered} deliveries`;
globalThis.journal = () => JSON.stringify(reseeds);
