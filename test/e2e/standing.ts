// What must be true whenever the pipeline rests, whatever was killed or stopped before.
import { expect } from 'vitest';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbRunLock } from '../../adapters/dynamodb-run-lock.ts';
import type { RunLock } from '../../core/training/run-lock.ts';
import { type Laptop, model, until } from './laptop.ts';

const artifactNames = [
  'environment.json',
  'features.json',
  'metrics.json',
  'model.onnx',
  'parity.json',
  'profile.json',
  'signature.json',
];

interface Served {
  readonly model_version: string;
  readonly prediction_ids: readonly string[];
}

export type Standing = ReturnType<typeof openStanding>;

export function openStanding(laptop: Laptop) {
  const table = { tableName: laptop.tableName };
  const ledger = dynamodbLedger(table);
  const registry = dynamodbRegistry(table);
  const locks = dynamodbRunLock(table);
  let token: string | undefined;

  const predict = async (): Promise<Served> => {
    token ??= (await laptop.json('token')).token as string;
    const instance = {
      date: '2001-03-05T00:00:00Z',
      origin: 'JFK',
      destination: 'LAX',
      distance: 2475,
    };
    const reply = await fetch(`${laptop.api}/v1/models/${model}:predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ instances: [instance] }),
    });
    const text = await reply.text();
    expect(reply.status, text).toBe(200);
    return JSON.parse(text);
  };

  const lock = async (): Promise<RunLock | undefined> => (await locks.read(model))?.lock;

  return {
    ledger,
    registry,
    lock,

    /** Resolves when no run is going on or waiting; one that waits for drops is told that all is there. */
    async rest(): Promise<void> {
      await until(async () => {
        const held = await lock();
        if (held?.phase === 'quiet' && held.quietSeconds > 0) await laptop.cli('train', model);
        return held === undefined ? true : undefined;
      }, 200);
    },

    versions: async (): Promise<number[]> =>
      (await registry.listVersions(model)).map(({ version }) => version).sort((a, b) => a - b),

    /** Checks all of it; `versions` is how many there must be by now, the last one live. */
    async check(versions: number): Promise<void> {
      const [shown] = await laptop.json('models');
      const numbers = Array.from({ length: versions }, (_, i) => i + 1);
      const registered = (shown.versions as { version: number }[]).map(({ version }) => version);
      expect(registered.sort((a, b) => a - b)).toEqual(numbers);
      expect(shown.live).toBe(versions);

      const entries = await ledger.entries(model);
      expect(entries.map(({ sequence }) => sequence)).toEqual(entries.map((_, i) => i + 1));
      expect(entries.map(({ version, state }) => `${version} ${state}`)).toEqual(
        numbers.flatMap((version) => [`${version} staged`, `${version} live`]),
      );

      const objects = await laptop.artifacts.keys('');
      expect(objects.sort()).toEqual(
        numbers
          .flatMap((version) => artifactNames.map((name) => `models/${model}/${version}/${name}`))
          .sort(),
      );
      expect(await lock()).toBeUndefined();

      await expect
        .poll(async () => (await predict()).model_version, { timeout: 30_000 })
        .toBe(String(versions));
      expect((await predict()).prediction_ids[0]).toMatch(new RegExp(`^${model}-v${versions}-`));
    },
  };
}
