// A Node program with some objects: says so, replaces 2,000 of them when it is told to, and says so again.
const items = new Map<number, object>();
let state = 9;

function below(limit: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % limit;
}

function fresh(id: number): object {
  return { id, name: `item ${below(1e6)}`, sizes: [below(9), below(99)], at: { x: below(1e4) } };
}

function work(times: number): void {
  for (let count = 0; count < times; count++) items.set(below(20_000), fresh(count));
}

for (let id = 0; id < 20_000; id++) items.set(id, fresh(id));
work(20_000);
process.on('message', () => {
  work(2000);
  process.send?.('worked');
});
process.send?.('ready');
