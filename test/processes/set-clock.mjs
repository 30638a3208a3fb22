// Preloaded into a command: SIGUSR2 sets its clock forward by the next of the milliseconds in CLOCK_STEPS.
const SystemDate = Date;
const steps = JSON.parse(process.env.CLOCK_STEPS);
let offsetMs = 0;
globalThis.Date = class extends SystemDate {
  constructor(...args) {
    if (args.length > 0) super(...args);
    else super(SystemDate.now() + offsetMs);
  }

  static now() {
    return SystemDate.now() + offsetMs;
  }
};
process.on('SIGUSR2', () => {
  offsetMs += steps.shift() ?? 0;
});
