import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/** Package → version, of a lock. */
function versionsIn(name: string): Map<string, string> {
  const lock = readFileSync(`containers/trainers/${name}/requirements.txt`, 'utf8');
  return new Map(
    [...lock.matchAll(/^([a-z0-9-]+)==(\S+)/gm)].map(([, name = '', version = '']) => [
      name,
      version,
    ]),
  );
}

describe('the locks of the trainer', () => {
  it('are the same versions for a CPU and a GPU, with CUDA and NCCL for the latter', () => {
    const { 'xgboost-cpu': cpu, ...shared } = Object.fromEntries(versionsIn('xgboost'));
    const { 'nvidia-nccl-cu12': nccl, ...onGpu } = Object.fromEntries(versionsIn('xgboost-gpu'));
    expect(onGpu).toEqual(shared);
    expect(onGpu['xgboost']).toBe(cpu);
    expect(nccl).toBeDefined();
  });

  it.each(['xgboost', 'xgboost-gpu'])(
    '%s: has a hash for every package and no registry',
    (name) => {
      const lock = readFileSync(`containers/trainers/${name}/requirements.txt`, 'utf8');
      const packages = lock
        .replace(/\\\n\s*/g, '')
        .split('\n')
        .filter((line) => /^[a-z]/.test(line));
      expect(packages.length).toBeGreaterThan(5);
      for (const line of packages) expect(line).toMatch(/--hash=sha256:[0-9a-f]{64}/);
      expect(lock).not.toMatch(/https?:|--(extra-)?index-url|--find-links/);
    },
  );
});
