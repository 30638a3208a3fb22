// Preloaded into a process (node --import): its calendar jumps when it is sent SIGUSR2, a day ahead, then two days back, then a day ahead again, and so on.
const dayMs = 86_400_000;
const RealDate = Date;
let shiftMs = 0;

class JumpyDate extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [RealDate.now() + shiftMs] : args));
  }

  static now() {
    return RealDate.now() + shiftMs;
  }
}

globalThis.Date = JumpyDate;
process.on('SIGUSR2', () => {
  shiftMs = shiftMs > 0 ? -dayMs : dayMs;
});
