import { describe, expect, it } from 'vitest';
import { Environment, readEnvironment } from '../../config/environments.ts';

describe('environments', () => {
  it.each(['dev', 'staging', 'prod'])('%s is complete and lets callers sign', (name) => {
    const environment = readEnvironment({ SLIPWAY_ENVIRONMENT: name, AWS_REGION: 'eu-central-1' });
    expect(environment.region).toBe('eu-central-1');
    expect(environment.api.auth).toBe('iam');
    expect(environment.platform).toEqual({ os: 'linux', cpu: 'x64' });
  });

  it.each(['qa', '', 'constructor', '__proto__'])(
    "names the environments there are, and nothing else, when asked for '%s'",
    (name) => {
      expect(() => readEnvironment({ SLIPWAY_ENVIRONMENT: name })).toThrow(
        expect.objectContaining({
          problems: [
            `name: an environment is one of local, dev, staging, prod; set SLIPWAY_ENVIRONMENT (received "${name}")`,
          ],
        }),
      );
    },
  );

  it("train a model's own Python in an image with its wheels on AWS, and in its environment on a laptop", () => {
    const { python } = readEnvironment({ SLIPWAY_ENVIRONMENT: 'dev' }).trainingImages;
    expect(python).toMatchObject({ kind: 'images' });
    const local = readEnvironment({
      SLIPWAY_LOCAL_JWT_ISSUER: 'http://127.0.0.1:1',
      SLIPWAY_LOCAL_JWKS_URI: 'http://127.0.0.1:1/keys',
      SLIPWAY_LOCAL_TRAINING_IMAGE: '/python',
    });
    expect(local.trainingImages.python).toEqual({ kind: 'environments' });
  });

  it('gives steps what a young account allows, and no more than Lambda has', () => {
    const environment = readEnvironment({ SLIPWAY_ENVIRONMENT: 'dev' });
    expect(environment.pipelineMemoryMb).toBe(3_008);
    const withMemory = (pipelineMemoryMb: number) =>
      Environment.safeParse({ ...environment, pipelineMemoryMb }).success;
    expect([1_024, 10_240].map(withMemory)).toEqual([true, true]);
    expect([512, 10_241, 3_008.5].map(withMemory)).toEqual([false, false, false]);
  });

  it('takes imported versions everywhere but in prod', () => {
    const lineageOf = (name: string) => readEnvironment({ SLIPWAY_ENVIRONMENT: name }).lineage;
    expect(['dev', 'staging', 'prod'].map(lineageOf)).toEqual(['any', 'any', 'sealed']);
  });

  it('says what a laptop cloud has not told it', () => {
    expect(() => readEnvironment({})).toThrow(/api\.issuer/);
  });

  it('names the region received when it is none', () => {
    expect(() => readEnvironment({ SLIPWAY_ENVIRONMENT: 'dev', AWS_REGION: 'Frankfurt' })).toThrow(
      /region: an AWS region, as in eu-west-1 \(received "Frankfurt"\)/,
    );
  });

  const local = (changes: object) =>
    readEnvironment({
      SLIPWAY_LOCAL_JWT_ISSUER: 'http://127.0.0.1:1',
      SLIPWAY_LOCAL_JWKS_URI: 'http://127.0.0.1:1/keys',
      SLIPWAY_LOCAL_TRAINING_IMAGE: '/python',
      ...changes,
    }).cache;

  it('shares a cache in ElastiCache on AWS, and on a laptop where one was started', () => {
    expect(readEnvironment({ SLIPWAY_ENVIRONMENT: 'prod' }).cache).toEqual({ kind: 'elasticache' });
    expect(local({ SLIPWAY_LOCAL_CACHE: '127.0.0.1:7000' })).toEqual({
      kind: 'address',
      host: '127.0.0.1',
      port: 7_000,
    });
    for (const none of [undefined, '']) {
      expect(local({ SLIPWAY_LOCAL_CACHE: none })).toEqual({ kind: 'memory' });
    }
    expect(() => local({ SLIPWAY_LOCAL_CACHE: 'localhost:0' })).toThrow(/cache\.port/);
  });

  it('puts a web ACL in front of prod alone', () => {
    const firewallOf = (name: string) => readEnvironment({ SLIPWAY_ENVIRONMENT: name }).firewall;
    expect(['dev', 'staging'].map(firewallOf)).toEqual([undefined, undefined]);
    expect(firewallOf('prod')).toEqual({ requestsPerMinuteOfAddress: expect.any(Number) });
  });

  it('limits each caller with a token, and names what is wrong with a limit', () => {
    const withLimit = (callerLimit: object) => {
      const address = 'https://id.example.com';
      const api = { auth: 'jwt', issuer: address, jwksUri: address, audience: 'a', callerLimit };
      return Environment.safeParse({ ...readEnvironment({ SLIPWAY_ENVIRONMENT: 'dev' }), api });
    };
    const each = { requestsPerSecond: 20, burst: 40 };
    expect(withLimit(each).data?.api).toMatchObject({ callerLimit: { ...each, named: {} } });
    const callers = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`caller-${n}`, each]));
    expect(withLimit({ ...each, named: callers(50) }).success).toBe(true);
    const problems = [
      {},
      { ...each, burst: 5_001 },
      { ...each, requestsPerSecond: 0 },
      { ...each, named: { '': each } },
      { ...each, named: callers(51) },
    ].map((limit) => withLimit(limit).error?.issues[0]?.path.join('.'));
    expect(problems).toEqual([
      'api.callerLimit.requestsPerSecond',
      'api.callerLimit.burst',
      'api.callerLimit.requestsPerSecond',
      'api.callerLimit.named.',
      'api.callerLimit.named',
    ]);
  });
});
