import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { noProgress } from '../../src/migration/convergence.js';
import { stepDestination } from '../../src/migration/destination-machine.js';
import {
  type DestinationEvent,
  type DestinationState,
  standingOf,
} from '../../src/migration/destination-states.js';
import { stepSource } from '../../src/migration/source-machine.js';
import type { SourceEvent, SourcePlan, SourceState } from '../../src/migration/source-states.js';
import type { Message, Offer, Pages } from '../../src/protocol/messages.js';

const digest = new Uint8Array(32).fill(7);
const otherDigest = new Uint8Array(32).fill(8);
const error = new FerryError('ERR_IO', 'for the test');

const offer: Offer = {
  type: 'OFFER',
  pageSize: 4096,
  secret: new Uint8Array(192),
  identity: { kind: 'buffer', version: '', features: [] },
  handsOver: true,
  maxStateBytes: 1024,
  maxDowntimeMs: 50,
  regions: [{ id: 0, name: 'memory', byteLength: 8192, maxByteLength: 8192 }],
};
const plan: SourcePlan = {
  offer,
  limits: {
    motion: 'pausable',
    maxDowntimeMs: 50,
    settle: 'first',
    onStall: 'cancel',
    stallRounds: 5,
    stallMs: 1000,
    maxRetreats: 3,
  },
  generation: () => 1,
};

const somePages: Pages = { type: 'PAGES', tableBytes: 0, rawBytes: 0, body: new Uint8Array() };
const messages: readonly Message[] = [
  { type: 'HELLO_ACK', version: 1, standing: 'new', capabilities: 0, lastAppliedSeq: 0 },
  { type: 'HELLO_ACK', version: 1, standing: 'ready', capabilities: 0, lastAppliedSeq: 0 },
  { type: 'HELLO_ACK', version: 1, standing: 'running', capabilities: 0, lastAppliedSeq: 0 },
  { type: 'HELLO_ACK', version: 1, standing: 'unknown', capabilities: 0, lastAppliedSeq: 0 },
  { type: 'HELLO_ACK', version: 1, standing: 'aborted', capabilities: 0, lastAppliedSeq: 0 },
  offer,
  { type: 'ACCEPT', bases: ['zero'] },
  { type: 'REJECT', code: 'ERR_BUSY', text: 'full' },
  somePages,
  { type: 'REGION', id: 0, name: 'memory', byteLength: 8192 },
  { type: 'ROUND_END', round: 1 },
  { type: 'HASHES', region: 0, level: 'leaf', entries: [], last: true },
  { type: 'HASHES_REQUEST', region: 0, leaves: [], last: true },
  { type: 'STATE', totalBytes: 0, offset: 0, bytes: new Uint8Array() },
  { type: 'PREPARE', generation: 1, finalSeqs: [3], digest },
  { type: 'PREPARE', generation: 1, finalSeqs: [3, 2], digest },
  { type: 'READY', digest },
  { type: 'READY', digest: otherDigest },
  { type: 'FAILED', code: 'ERR_DIGEST', text: 'no' },
  { type: 'COMMIT', digest },
  { type: 'COMMIT', digest: otherDigest },
  { type: 'RUNNING', digest, verifyMs: 0, loadMs: 0, acquireMs: 0, resumeMs: 0 },
  { type: 'START_FAILED', code: 'ERR_GUEST', text: 'no' },
  { type: 'ABORT', scope: 'session', code: 'ERR_ABORTED', text: '' },
  { type: 'ABORT', scope: 'switchover', code: 'ERR_ABORTED', text: '' },
  { type: 'ABORTED', scope: 'session' },
  { type: 'ABORTED', scope: 'switchover' },
  { type: 'CHANNEL_CLOSE', channel: 1 },
  { type: 'CHANNEL_CLOSED', channel: 1, lastAppliedSeq: 1 },
];
const message = fc.constantFrom(...messages);

const sourceEvents: fc.Arbitrary<SourceEvent> = fc.oneof(
  { weight: 6, arbitrary: message.map((one) => ({ type: 'message', message: one }) as const) },
  fc.constantFrom<SourceEvent>(
    {
      type: 'round-ended',
      outcome: {
        round: 1,
        predictedDowntimeMs: 1,
        nextDowntimeMs: 1,
        pagesSent: 1,
        durationMs: 20,
        settled: true,
      },
    },
    {
      type: 'round-ended',
      outcome: {
        round: 1,
        predictedDowntimeMs: 99,
        durationMs: 20,
        nextDowntimeMs: 99,
        pagesSent: 1,
        settled: true,
      },
    },
    { type: 'paused' },
    { type: 'last-copied', finalSeqs: [3], digest },
    { type: 'repaired', finalSeqs: [4], digest },
    { type: 'resent', finalSeqs: [4], digest },
    { type: 'channel-lost', channel: 1 },
    { type: 'overrun', elapsedMs: 99 },
    { type: 'broken', error },
    { type: 'cancelled', error },
    { type: 'closed', error },
    { type: 'reconnected' },
    { type: 'gave-up-waiting' },
  ),
);

/** Chance alone hardly ever leads from a greeting to COMMIT: a run begins anywhere. */
const sourceStates: fc.Arbitrary<SourceState> = fc.constantFrom<SourceState>(
  { phase: 'greeting' },
  { phase: 'pre-copy', progress: noProgress },
  { phase: 'pausing', progress: noProgress, forced: false },
  { phase: 'stop-and-copy', progress: noProgress, forced: false },
  { phase: 'preparing', progress: noProgress, forced: false, digest, finalSeqs: [3], repairs: 0 },
  { phase: 'retreating', progress: noProgress },
  { phase: 'committed', digest },
  { phase: 'in-doubt', digest, connected: true },
);
const pausedPhases: readonly string[] = ['pausing', 'stop-and-copy', 'preparing'];
const committedPhases: readonly string[] = ['committed', 'in-doubt'];

const destinationEvents: fc.Arbitrary<DestinationEvent> = fc.oneof(
  { weight: 6, arbitrary: message.map((one) => ({ type: 'message', message: one }) as const) },
  fc.constantFrom<DestinationEvent>(
    { type: 'admitted', bases: ['zero'] },
    { type: 'pages', channel: 1, seq: 2, message: somePages },
    { type: 'pages', channel: 1, seq: 3, message: somePages },
    { type: 'gathered', generation: 1 },
    { type: 'channel-closed', channel: 1, lastAppliedSeq: 1 },
    { type: 'channel-closed', channel: 17, lastAppliedSeq: 2 },
    { type: 'refused', error },
    { type: 'verified', generation: 1, digest },
    { type: 'verified', generation: 1, digest: otherDigest },
    { type: 'loaded', generation: 1 },
    { type: 'broken', error },
    { type: 'cancelled', error },
    {
      type: 'started',
      running: { type: 'RUNNING', digest, verifyMs: 0, loadMs: 0, acquireMs: 0, resumeMs: 0 },
    },
    { type: 'start-failed', error },
    { type: 'closed', error },
    { type: 'asked' },
    { type: 'gave-up-waiting' },
  ),
);

describe('the source machine', () => {
  it('says COMMIT only on READY for the digest it asked for, and never resumes after it without a word from there', () => {
    fc.assert(
      fc.property(sourceStates, fc.array(sourceEvents, { maxLength: 60 }), (first, events) => {
        let state = first;
        let committed = committedPhases.includes(first.phase);
        let released = false;
        for (const event of events) {
          const before = state;
          let effects: ReturnType<typeof stepSource>['effects'];
          try {
            ({ state, effects } = stepSource(state, event, plan));
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(FerryError);
            continue;
          }
          const answer = event.type === 'message' ? event.message : undefined;
          if (answer?.type === 'START_FAILED') released = true;
          if (answer?.type === 'HELLO_ACK' && answer.standing === 'aborted') released = true;
          for (const effect of effects) {
            if (effect.do === 'send' && effect.message.type === 'COMMIT') {
              const ready = answer?.type === 'READY' && before.phase === 'preparing';
              const again = answer?.type === 'HELLO_ACK' && before.phase === 'in-doubt';
              expect(ready || again).toBe(true);
              committed = true;
            }
            if (effect.do === 'resume' && committed) expect(released).toBe(true);
            expect(effect.do).not.toBe('run-on');
          }
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('with a lease resumes behind COMMIT only what it reclaimed, whatever anybody says, and names the revision', () => {
    const leased: SourcePlan = { ...plan, lease: { covers: () => true, revision: () => 5n } };
    const events = fc.oneof(
      { weight: 5, arbitrary: sourceEvents },
      fc.constantFrom<SourceEvent>(
        { type: 'reclaimed', by: 'us' },
        { type: 'reclaimed', by: 'destination' },
        { type: 'reclaimed', by: 'another' },
        { type: 'fenced', error },
        { type: 'resolved', verdict: 'resume' },
      ),
    );
    const states = sourceStates.map((state) =>
      state.phase === 'committed' || state.phase === 'in-doubt'
        ? { ...state, revision: 5n }
        : state,
    );
    fc.assert(
      fc.property(states, fc.array(events, { maxLength: 60 }), (first, events) => {
        let state: SourceState = first;
        let committed = committedPhases.includes(first.phase);
        for (const event of events) {
          const before: SourceState = state;
          let effects: ReturnType<typeof stepSource>['effects'];
          try {
            ({ state, effects } = stepSource(state, event, leased));
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(FerryError);
            continue;
          }
          for (const effect of effects) {
            if (effect.do === 'send' && effect.message.type === 'COMMIT') {
              expect(effect.message.revision).toBe(5n);
              committed = true;
            }
            if (effect.do !== 'resume' || !committed) continue;
            expect(before.phase).toBe('reclaiming');
            expect(event).toEqual({ type: 'reclaimed', by: 'us' });
          }
          if (before.phase === 'committed' && event.type === 'closed') {
            expect(effects).toContainEqual({ do: 'reclaim', handedBack: false });
          }
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('with a lease begins no switchover that it does not cover, forced or not, and copies on', () => {
    const asked: number[] = [];
    const lease = {
      covers: (pauseMs: number) => {
        asked.push(pauseMs);
        return false;
      },
      revision: () => 5n,
    };
    const outcome = {
      ...{ round: 1, predictedDowntimeMs: 1, nextDowntimeMs: 1, pagesSent: 1 },
      ...{ durationMs: 20, settled: true },
    };
    const live: SourceState = { phase: 'pre-copy', progress: noProgress };
    const ended = { type: 'round-ended', outcome } as const;
    const { state, effects } = stepSource(live, ended, { ...plan, lease });
    expect([state.phase, effects, asked]).toEqual(['pre-copy', [{ do: 'round' }], [1]]);
    expect(stepSource(live, ended, plan).state.phase).toBe('pausing');
  });

  it('lets a guest stand still that another owns before it was committed', () => {
    const fenced = new FerryError('ERR_FENCED', 'for the test');
    for (const phase of ['stop-and-copy', 'pausing'] as const) {
      const state: SourceState = { phase, progress: noProgress, forced: false };
      const step = stepSource(state, { type: 'fenced', error: fenced }, plan);
      expect(step.state).toEqual({ phase: 'failed', error: fenced });
      expect(step.effects.map((effect) => effect.do)).toEqual(['halt', 'send', 'close']);
    }
  });

  it('resumes the guest in every failure before COMMIT', () => {
    fc.assert(
      fc.property(sourceStates, fc.array(sourceEvents, { maxLength: 60 }), (first, events) => {
        let state = first;
        let paused = pausedPhases.includes(first.phase);
        let committed = committedPhases.includes(first.phase);
        for (const event of events) {
          let effects: ReturnType<typeof stepSource>['effects'];
          try {
            ({ state, effects } = stepSource(state, event, plan));
          } catch {
            continue;
          }
          for (const effect of effects) {
            if (effect.do === 'pause') paused = true;
            if (effect.do === 'resume') paused = false;
            if (effect.do === 'send' && effect.message.type === 'COMMIT') committed = true;
          }
        }
        if (state.phase === 'failed' && !committed) expect(paused).toBe(false);
        if (state.phase === 'aborting' || state.phase === 'retreating') expect(paused).toBe(false);
      }),
      { numRuns: 3000 },
    );
  });

  it('ends a copy whose outcome nobody can tell, but never a hand-over', () => {
    const doubt: SourceState = { phase: 'in-doubt', digest, connected: false };
    expect(stepSource(doubt, { type: 'gave-up-waiting' }, plan).state).toEqual(doubt);
    const copied = { ...plan, offer: { ...offer, handsOver: false } };
    expect(stepSource(doubt, { type: 'gave-up-waiting' }, copied).state.phase).toBe('failed');
  });

  it('lets what is only copied run on at COMMIT, and not before', () => {
    const copied = { ...plan, offer: { ...offer, handsOver: false } };
    fc.assert(
      fc.property(sourceStates, fc.array(sourceEvents, { maxLength: 60 }), (first, events) => {
        let state = first;
        for (const event of events) {
          const before: string = state.phase;
          let effects: ReturnType<typeof stepSource>['effects'];
          try {
            ({ state, effects } = stepSource(state, event, copied));
          } catch {
            continue;
          }
          const runsOn = effects.some((effect) => effect.do === 'run-on');
          expect(runsOn).toBe(before === 'preparing' && state.phase === 'committed');
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('resumes or gives the guest up in doubt only on the operator’s word', () => {
    const doubt: SourceState = { phase: 'in-doubt', digest, connected: false };
    const resume = stepSource(doubt, { type: 'resolved', verdict: 'resume' }, plan);
    expect(resume.effects).toContainEqual({ do: 'resume' });
    const abandon = stepSource(doubt, { type: 'resolved', verdict: 'abandon' }, plan);
    expect(abandon.state.phase).toBe('failed');
    expect(abandon.effects).not.toContainEqual({ do: 'resume' });
    const live: SourceState = { phase: 'pre-copy', progress: noProgress };
    expect(stepSource(live, { type: 'resolved', verdict: 'abandon' }, plan).state).toEqual(live);
  });

  it('gives a pause back that overruns, unless it was forced', () => {
    const paused: SourceState = { phase: 'stop-and-copy', progress: noProgress, forced: false };
    const step = stepSource(paused, { type: 'overrun', elapsedMs: 99 }, plan);
    expect(step.state.phase).toBe('retreating');
    expect(step.effects[0]).toEqual({ do: 'resume' });
    const forced: SourceState = { ...paused, forced: true };
    expect(stepSource(forced, { type: 'overrun', elapsedMs: 99 }, plan).state).toEqual(forced);
  });

  it('releases a promise that an unanswered ABORT was to end, and none where there was none', () => {
    const progress = noProgress;
    const preparing: SourceState = {
      phase: 'preparing',
      progress,
      forced: false,
      digest,
      finalSeqs: [3],
      repairs: 0,
    };
    for (const unanswered of [{ type: 'closed', error }, { type: 'gave-up-waiting' }] as const) {
      const promised = stepSource(preparing, { type: 'cancelled', error }, plan).state;
      const { state, effects } = stepSource(promised, unanswered, plan);
      expect(state).toEqual({ phase: 'failed', error });
      expect(effects).toContainEqual({ do: 'release-promise' });
      const live: SourceState = { phase: 'pre-copy', progress };
      const none = stepSource(live, { type: 'cancelled', error }, plan).state;
      expect(stepSource(none, unanswered, plan).effects).not.toContainEqual({
        do: 'release-promise',
      });
    }
  });

  it.each([
    { phase: 'greeting' },
    { phase: 'offering', again: false },
    { phase: 'comparing' },
    { phase: 'preparing', progress: noProgress, forced: false, digest, finalSeqs: [3], repairs: 0 },
    { phase: 'retreating', progress: noProgress },
  ] as const)('does not wait for ever while $phase', (state) => {
    const step = stepSource(state, { type: 'gave-up-waiting' }, plan);
    expect(step.state).toMatchObject({ phase: 'aborting', error: { code: 'ERR_PEER_TIMEOUT' } });
    expect(step.effects[0]).toEqual({ do: 'resume' });
  });

  it('asks how far a lost page channel got, wherever it may have brought something', () => {
    const lost: SourceEvent = { type: 'channel-lost', channel: 17 };
    const asked = [{ do: 'send', message: { type: 'CHANNEL_CLOSE', channel: 17 } }];
    const progress = noProgress;
    const preparing: SourceState = {
      phase: 'preparing',
      progress,
      forced: false,
      digest,
      finalSeqs: [3, 9],
      repairs: 1,
    };
    const open: readonly SourceState[] = [
      { phase: 'comparing' },
      { phase: 'pre-copy', progress },
      { phase: 'pausing', progress, forced: false },
      { phase: 'stop-and-copy', progress, forced: false },
      preparing,
      { phase: 'retreating', progress },
    ];
    const closed = (lastAppliedSeq: number): SourceEvent => ({
      type: 'message',
      message: { type: 'CHANNEL_CLOSED', channel: 17, lastAppliedSeq },
    });
    for (const state of open) {
      expect(stepSource(state, lost, plan)).toEqual({ state, effects: asked });
      expect(stepSource(state, closed(9), plan)).toEqual({ state, effects: [] });
    }
    for (const state of [
      { phase: 'committed', digest },
      { phase: 'in-doubt', digest, connected: true },
    ] as const) {
      expect(stepSource(state, lost, plan).effects).toEqual([]);
    }
    expect(() => stepSource({ phase: 'greeting' }, closed(0), plan)).toThrow(FerryError);
    // PREPARE counted on more than there will be: it is said again, and no repair is counted.
    const voided: SourceState = { ...preparing, finalSeqs: [] };
    expect(stepSource(preparing, closed(8), plan)).toEqual({
      state: voided,
      effects: [{ do: 'resend' }],
    });
    // Another that is lost before PREPARE is said again makes no second one.
    expect(stepSource(voided, closed(8), plan)).toEqual({ state: voided, effects: [] });
    const resent = { type: 'resent', finalSeqs: [5, 0], digest: otherDigest } as const;
    const again = stepSource(voided, resent, plan);
    expect(again.state).toEqual({ ...preparing, finalSeqs: [5, 0], digest: otherDigest });
    expect(again.effects).toMatchObject([
      { do: 'send', message: { type: 'PREPARE', finalSeqs: [5, 0], digest: otherDigest } },
    ]);
  });

  it('does not take READY for another digest', () => {
    const preparing: SourceState = {
      phase: 'preparing',
      progress: noProgress,
      forced: false,
      digest,
      finalSeqs: [3],
      repairs: 0,
    };
    const ready: SourceEvent = { type: 'message', message: { type: 'READY', digest: otherDigest } };
    expect(() => stepSource(preparing, ready, plan)).toThrow(FerryError);
  });
});

describe('the destination machine', () => {
  it('starts only on COMMIT for the digest it was ready with, and once', () => {
    fc.assert(
      fc.property(fc.array(destinationEvents, { maxLength: 60 }), (events) => {
        let state: DestinationState = { phase: 'awaiting-offer' };
        let starts = 0;
        let discarded = false;
        for (const event of events) {
          const before = state;
          let effects: ReturnType<typeof stepDestination>['effects'];
          try {
            ({ state, effects } = stepDestination(state, event));
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(FerryError);
            continue;
          }
          for (const effect of effects) {
            if (effect.do === 'start') {
              starts += 1;
              expect(before.phase).toBe('ready');
              expect(event).toEqual({ type: 'message', message: { type: 'COMMIT', digest } });
              expect(discarded).toBe(false);
            }
            if (effect.do === 'discard') {
              discarded = true;
              expect(before.phase).not.toBe('running');
            }
          }
        }
        expect(starts).toBeLessThanOrEqual(1);
      }),
      { numRuns: 3000 },
    );
  });

  it('starts behind COMMIT with a revision only what it claimed, and gives back what it did not', () => {
    const prepare = { type: 'PREPARE', generation: 1, finalSeqs: [3], digest } as const;
    const commit = { type: 'message', message: { type: 'COMMIT', digest, revision: 5n } } as const;
    const ready: DestinationState = { phase: 'ready', prepare, connected: true };
    const asked = stepDestination(ready, commit);
    expect(asked.effects).toEqual([{ do: 'claim', revision: 5n }]);
    for (const event of [
      { type: 'broken', error },
      { type: 'closed', error },
      { type: 'cancelled', error },
      { type: 'gave-up-waiting' },
      { type: 'asked' },
      { type: 'returned' },
      { type: 'resolved', verdict: 'resume', claims: true },
      commit,
    ] as const) {
      const { state, effects } = stepDestination(asked.state, event);
      expect(state.phase).toBe('claiming');
      expect(standingOf(state)).toBe('ready');
      expect(effects.filter((effect) => effect.do !== 'close')).toEqual([]);
    }
    const won = stepDestination(asked.state, { type: 'claimed' });
    expect(won.effects).toEqual([{ do: 'start', prepare }]);
    const lost = stepDestination(asked.state, { type: 'not-claimed', error });
    expect(lost.state.phase).toBe('start-failed');
    expect(lost.effects[0]).toMatchObject({ do: 'send', message: { type: 'START_FAILED' } });
    const word = { type: 'resolved', verdict: 'resume', claims: true } as const;
    const byWord = stepDestination(ready, word);
    expect(byWord.effects).toEqual([{ do: 'claim', revision: undefined }]);
    expect(stepDestination(byWord.state, { type: 'not-claimed', error }).state).toEqual(ready);
    // COMMIT meanwhile is answered, whatever becomes of the word.
    const both = stepDestination(byWord.state, commit).state;
    expect(stepDestination(both, { type: 'not-claimed', error }).state.phase).toBe('start-failed');
  });

  it('keeps everything from READY on until COMMIT or ABORT, whatever happens to the link', () => {
    const prepare = { type: 'PREPARE', generation: 1, finalSeqs: [3], digest } as const;
    let state: DestinationState = { phase: 'ready', prepare, connected: true };
    for (const event of [
      { type: 'closed', error },
      { type: 'broken', error },
      { type: 'cancelled', error },
      { type: 'asked' },
    ] as const) {
      const step = stepDestination(state, event);
      expect(step.effects).not.toContainEqual({ do: 'discard' });
      state = step.state;
      expect(standingOf(state)).toBe('ready');
    }
  });

  it('goes back to receiving when the source gives a switchover back', () => {
    const prepare = { type: 'PREPARE', generation: 1, finalSeqs: [3], digest } as const;
    const abort = {
      type: 'ABORT',
      scope: 'switchover',
      code: 'ERR_NOT_CONVERGING',
      text: '',
    } as const;
    const step = stepDestination(
      { phase: 'ready', prepare, connected: true },
      { type: 'message', message: abort },
    );
    expect(step.state.phase).toBe('receiving');
    expect(step.effects).toEqual([{ do: 'retreat' }]);
    const stale = stepDestination(step.state, { type: 'loaded', generation: 1 });
    expect(stale.effects).toEqual([]);
  });

  it('applies of a page channel what PREPARE counts, and nothing from then on', () => {
    const prepare = { type: 'PREPARE', generation: 1, finalSeqs: [3, 2], digest } as const;
    const counted = { type: 'pages', channel: 1, seq: 2, message: somePages } as const;
    const receiving: DestinationState = { phase: 'receiving' };
    expect(stepDestination(receiving, counted).effects).toEqual([
      { do: 'apply', message: somePages },
    ]);
    const { state, effects } = stepDestination(receiving, { type: 'message', message: prepare });
    expect(state.phase).toBe('gathering');
    expect(effects).toEqual([{ do: 'gather', prepare }]);
    expect(standingOf(state)).toBe('receiving');
    expect(stepDestination(state, counted).effects).toEqual([{ do: 'apply', message: somePages }]);
    for (const more of [
      { ...counted, seq: 3 },
      { ...counted, channel: 2 },
    ]) {
      expect(() => stepDestination(state, more)).toThrow(FerryError);
    }
    const stale = { type: 'gathered', generation: 2 } as const;
    expect(stepDestination(state, stale).state).toBe(state);
    const verifying = stepDestination(state, { type: 'gathered', generation: 1 });
    expect(verifying.effects).toEqual([{ do: 'verify', prepare }]);
    for (const later of [
      verifying.state,
      { phase: 'loading', prepare },
      { phase: 'ready', prepare, connected: true },
      { phase: 'starting', prepare, connected: true },
    ] as const) {
      expect(() => stepDestination(later, counted)).toThrow(FerryError);
    }
  });

  it('takes a PREPARE for void that counts on what a lost page channel did not bring', () => {
    const prepare = { type: 'PREPARE', generation: 1, finalSeqs: [3, 2], digest } as const;
    const close = { type: 'message', message: { type: 'CHANNEL_CLOSE', channel: 17 } } as const;
    const closed = (lastAppliedSeq: number): DestinationEvent => ({
      type: 'channel-closed',
      channel: 17,
      lastAppliedSeq,
    });
    const answer = (lastAppliedSeq: number): object => ({
      do: 'send',
      message: { type: 'CHANNEL_CLOSED', channel: 17, lastAppliedSeq },
    });
    for (const [repairs, back] of [
      [0, { phase: 'receiving' }],
      [1, { phase: 'repairing', repairs: 1 }],
    ] as const) {
      const gathering: DestinationState = { phase: 'gathering', prepare, repairs };
      expect(stepDestination(gathering, close)).toEqual({
        state: gathering,
        effects: [{ do: 'close-channel', channel: 17 }],
      });
      expect(stepDestination(gathering, closed(2))).toEqual({
        state: gathering,
        effects: [answer(2)],
      });
      expect(stepDestination(gathering, closed(1))).toEqual({
        state: back,
        effects: [{ do: 'stop-gathering' }, answer(1)],
      });
    }
    for (const state of [
      { phase: 'receiving' },
      { phase: 'verifying', prepare, repairs: 0 },
      { phase: 'ready', prepare, connected: true },
    ] as const) {
      expect(stepDestination(state, close).effects).toEqual([{ do: 'close-channel', channel: 17 }]);
      expect(stepDestination(state, closed(1))).toEqual({ state, effects: [answer(1)] });
    }
    const running = { type: 'RUNNING', digest, verifyMs: 0, loadMs: 0, acquireMs: 0, resumeMs: 0 };
    expect(() => stepDestination({ phase: 'awaiting-offer' }, close)).toThrow(FerryError);
    expect(
      stepDestination({ phase: 'running', running } as DestinationState, closed(1)).effects,
    ).toEqual([]);
  });

  it('repairs a mismatch once and fails the second time', () => {
    const prepare = { type: 'PREPARE', generation: 1, finalSeqs: [3], digest } as const;
    const wrong = { type: 'verified', generation: 1, digest: otherDigest } as const;
    const first = stepDestination({ phase: 'verifying', prepare, repairs: 0 }, wrong);
    expect(first.state).toEqual({ phase: 'repairing', repairs: 1 });
    const second = stepDestination({ phase: 'verifying', prepare, repairs: 1 }, wrong);
    expect(second.state.phase).toBe('aborted');
  });
});
