import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidArgumentError } from 'commander';
import { FerryError } from '../errors.js';

/** A time of day when transfers may run: minutes since midnight, local. `to` before `from`: over midnight. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };
const dayMinutes = 24 * 60;
/** The clock may be set, or the machine sleep: it is looked at this often. */
const lookEveryMs = 5000;

/** "22:30" (the next one), or "2026-11-23T22:30", or with a zone. Milliseconds since 1970. */
export function parseMoment(text: string): number {
  const minutes = timeOfDay(text);
  if (minutes !== undefined) return Date.now() + untilTime(minutes, new Date());
  return parseDate(text, 'give a time, as in 22:30 or 2026-11-23T22:30');
}

/** "2026-11-23T22:30", or with a zone, or how long ago: "90s", "10m", "2h". Milliseconds since 1970. */
export function parsePast(text: string): number {
  const [, count, unit = ''] = /^(\d+(?:\.\d+)?)([smh])$/.exec(text) ?? [];
  if (count !== undefined) return Date.now() - Number(count) * (unitMs[unit] ?? Number.NaN);
  return parseDate(text, 'give a time, as in 2026-11-23T22:30, or how long ago: 90s, 10m, 2h');
}

function parseDate(text: string, usage: string): number {
  const at = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new InvalidArgumentError(usage);
  return at;
}

/** "22:00-06:00". */
export function parseWindow(text: string): Window {
  const [from, to, more] = text.split('-').map(timeOfDay);
  if (from === undefined || to === undefined || more !== undefined || from === to) {
    throw new InvalidArgumentError('give two times of day, as in 22:00-06:00');
  }
  return { from, to };
}

/** Milliseconds until it opens; 0 while it is open. */
export function untilOpen({ from, to }: Window, now: Date): number {
  const minutes = now.getHours() * 60 + now.getMinutes();
  const isOpen = from < to ? minutes >= from && minutes < to : minutes >= from || minutes < to;
  return isOpen ? 0 : untilTime(from, now);
}

/** Milliseconds until it closes, while it is open. */
export function untilClosed({ to }: Window, now: Date): number {
  return untilTime(to, now);
}

/** Waits as long as `left` says, which is asked again and again. Rejects with ERR_ABORTED once `signal` is. */
export async function waitFor(left: () => number, signal: AbortSignal): Promise<void> {
  for (let ms = left(); ms > 0; ms = left()) {
    await sleep(Math.min(ms, lookEveryMs), undefined, { signal }).catch(() => {
      throw new FerryError('ERR_ABORTED', 'cancelled before it was time');
    });
  }
}

/** What is aborted when `window` closes; looks at the clock until `done` is called. */
export function closingOf(window: Window): {
  readonly signal: AbortSignal;
  readonly done: () => void;
} {
  const controller = new AbortController();
  const look = (): void => {
    if (untilOpen(window, new Date()) > 0) controller.abort();
    else timer = setTimeout(look, Math.min(lookEveryMs, untilClosed(window, new Date())));
  };
  let timer: NodeJS.Timeout | undefined;
  look();
  return { signal: controller.signal, done: () => clearTimeout(timer) };
}

/** Until the clock next shows `minutes`, whatever summer time does to the hours between. */
function untilTime(minutes: number, now: Date): number {
  const at = new Date(now);
  at.setHours(0, minutes, 0, 0);
  if (at <= now) at.setHours(24, minutes, 0, 0);
  return at.getTime() - now.getTime();
}

function timeOfDay(text: string): number | undefined {
  const [, hours, minutes] = /^(\d{1,2}):(\d\d)$/.exec(text) ?? [];
  const total = Number(hours) * 60 + Number(minutes);
  return Number(minutes) < 60 && total < dayMinutes ? total : undefined;
}
