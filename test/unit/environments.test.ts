import { describe, expect, it } from 'vitest';
import { readEnvironment } from '../../config/environments.ts';

describe('environments', () => {
  it.each(['dev', 'staging', 'prod'])('%s is complete and lets callers sign', (name) => {
    const environment = readEnvironment({ SLIPWAY_ENVIRONMENT: name, AWS_REGION: 'eu-central-1' });
    expect(environment.region).toBe('eu-central-1');
    expect(environment.api.auth).toBe('iam');
    expect(environment.platform).toEqual({ os: 'linux', cpu: 'x64' });
  });

  it('names the environments there are when asked for another', () => {
    expect(() => readEnvironment({ SLIPWAY_ENVIRONMENT: 'qa' })).toThrow(
      /one of local, dev, staging, prod/,
    );
  });

  it('says what a laptop cloud has not told it', () => {
    expect(() => readEnvironment({})).toThrow(/api\.issuer/);
  });

  it('names the region received when it is none', () => {
    expect(() => readEnvironment({ SLIPWAY_ENVIRONMENT: 'dev', AWS_REGION: 'Frankfurt' })).toThrow(
      /region: an AWS region, as in eu-west-1 \(received "Frankfurt"\)/,
    );
  });
});
