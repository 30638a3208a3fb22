// Preloaded into a process (node --import): its calendar jumps at SIGUSR2, first a day ahead, then to the day before, then ahead again, and it says
// to its parent where it is now. Monotonic clocks go on as they do.
const dayMs = 86_400_000;
const RealDate = Date;
let shiftMs = 0;

globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [RealDate.now() + shiftMs] : args));
  }

  static now() {
    return RealDate.now() + shiftMs;
  }
};

process.on('SIGUSR2', () => {
  shiftMs = shiftMs > 0 ? -dayMs : dayMs;
  process.send?.({ type: 'jumped', now: Date.now() });
});
