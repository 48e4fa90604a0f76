import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { describeJoined } from '../../cli/joined-run.ts';
import { repositoryRoot } from '../../cli/laptop-file.ts';
import { undeployedIn, warnOfUndeployed } from '../../cli/undeployed.ts';
import { modelPython } from '../../config/model-python.ts';
import { defineModel, type ModelDefinitionInput } from '../../core/model/define-model.ts';
import { changedSources, type Sources, sourcesOf } from '../../core/model/sources.ts';
import type { RunLock } from '../../core/training/run-lock.ts';
import { aModelDefinition } from '../builders/model-definition.ts';

const folders = mkdtempSync(join(tmpdir(), 'slipway-undeployed-'));
afterAll(() => rmSync(folders, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

const own = aModelDefinition({ training: { trainer: 'python', hyperparameters: { depth: 3 } } });
const { name } = defineModel(own);

/** A folder of models with one model. */
function written(definition: ModelDefinitionInput, files: Readonly<Record<string, string>>) {
  const models = mkdtempSync(join(folders, 'models-'));
  const folder = join(models, name);
  mkdirSync(folder);
  const text = `export default ${JSON.stringify(defineModel(definition))};\n`;
  for (const [file, content] of Object.entries({ 'model.ts': text, ...files })) {
    writeFileSync(join(folder, file), content);
  }
  return { models, model: { definition: defineModel(definition), folder } };
}

const program = { 'train.py': 'a = 1', 'words.py': 'b = 1', 'requirements.txt': 'tqdm==4.67.1' };
const sourcesIn = ({ model }: ReturnType<typeof written>): Sources =>
  sourcesOf(model.definition, modelPython(model)?.sources);
const deployed = sourcesIn(written(own, program));

describe('what is written against what is deployed', () => {
  it('is the same where nothing that a deployment brings along has changed', () => {
    const { model } = written(own, { ...program, 'test_model.txt': 'x', 'notes.ipynb': '{}' });
    expect(undeployedIn(model, deployed, 'local')).toBeUndefined();
  });

  it('names the files that differ, and the command that brings them there', () => {
    const other = aModelDefinition({
      training: { trainer: 'python', hyperparameters: { depth: 4 } },
    });
    const { 'words.py': _, ...without } = program;
    const { model } = written(other, { ...without, 'train.py': 'a = 2', 'more.py': '' });
    expect(undeployedIn(model, deployed, 'dev')).toEqual({
      files: ['model.ts', 'more.py', 'train.py', 'words.py'],
      text: `${model.folder} differs from what is deployed (model.ts, more.py, train.py, words.py); \`slipway deploy ${name} --env dev\` brings it there`,
    });
    const here = { ...model, folder: join(repositoryRoot, 'models', 'strikes') };
    const stock = { ...here, definition: defineModel(aModelDefinition()) };
    expect(undeployedIn(stock, { 'model.ts': 'old' }, 'local')?.text).toBe(
      `models/strikes differs from what is deployed (model.ts); \`slipway deploy ${name}\` brings it there`,
    );
  });

  it('sees other packages', () => {
    const { model } = written(own, { ...program, 'requirements.txt': 'tqdm==4.67.0' });
    expect(undeployedIn(model, deployed, 'local')?.files).toEqual(['requirements.txt']);
  });

  it('fits into a parameter however many files there are', () => {
    const many = (content: string): Sources =>
      sourcesOf(
        defineModel(own),
        Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`module_${i}.py`, content])),
      );
    expect(JSON.stringify(many('a')).length).toBeLessThan(4_096);
    expect(changedSources(many('a'), many('a'))).toEqual([]);
    expect(changedSources(many('a'), many('b'))).toEqual(['its Python files']);
  });
});

describe('a command that starts a run', () => {
  async function told(models: string, sources: Sources | undefined) {
    vi.stubEnv('SLIPWAY_MODELS', models);
    const notes: string[] = [];
    const model = () => ({
      name,
      ...{
        stateMachineArn: '',
        requestRunFunction: '',
        predictFunction: '',
        batchStateMachineArn: undefined,
        streams: undefined,
      },
      ...{ lineage: 'any' as const, deployCandidateFunction: undefined, sources },
    });
    const terminal = { note: (text: string) => notes.push(text) };
    const undeployed = await warnOfUndeployed({ environment: 'local', model }, name, terminal);
    expect(notes).toEqual(undeployed ? [undeployed.text] : []);
    return undeployed;
  }

  it('says what it will not take in, and nothing where all is deployed', async () => {
    const { models } = written(own, { ...program, 'train.py': 'a = 2' });
    expect(await told(models, deployed)).toMatchObject({ files: ['train.py'] });
    expect(await told(written(own, program).models, deployed)).toBeUndefined();
  });

  it('says nothing of a deployment that kept no hashes, nor of a model that is not written here', async () => {
    const { models } = written(own, { ...program, 'train.py': 'a = 2' });
    expect(await told(models, undefined)).toBeUndefined();
    const elsewhere = written(own, program);
    rmSync(elsewhere.model.folder, { recursive: true });
    mkdirSync(join(elsewhere.models, 'other'));
    const other = JSON.stringify({ ...defineModel(own), name: 'another' });
    writeFileSync(join(elsewhere.models, 'other', 'model.ts'), `export default ${other};\n`);
    expect(await told(elsewhere.models, deployed)).toBeUndefined();
  });

  it('goes on where what is written here is not whole, and says that it cannot tell', async () => {
    const { models } = written(own, { 'requirements.txt': '' });
    expect(await told(models, deployed)).toEqual({
      files: [],
      text: expect.stringMatching(/is not known: .*\n.*train\.py, which is missing/),
    });
  });
});

describe('a request that joins a run', () => {
  const lock: RunLock = {
    model: name,
    runId: 'a',
    phase: 'quiet',
    input: {},
    trigger: { kind: 'drop', by: 'labelled/churn/2026.parquet' },
    acquiredAt: '2026-03-01T00:00:00.000Z',
    quietUntil: '2026-03-01T00:01:00.000Z',
    quietSeconds: 60,
    insists: false,
  };
  const next = {
    runId: 'b',
    trigger: lock.trigger,
    quietUntil: '',
    quietSeconds: 0,
    insists: true,
  };
  const joined = (outcome: 'started' | 'coalesced' | 'queued', runId: string) =>
    describeJoined({ outcome, runId, reasons: [] }, { ...lock, next });

  it('is told who started it and since when', () => {
    expect(joined('coalesced', 'a')).toBe(
      'This run was started by a drop of labelled/churn/2026.parquet at 2026-03-01T00:00:00.000Z; it trains what is deployed.',
    );
    expect(joined('queued', 'b')).toMatch(/^It follows run a, which was started by a drop of /);
    const byPerson: RunLock = { ...lock, trigger: { kind: 'drop', by: 'ada' } };
    const answer = { outcome: 'coalesced' as const, runId: 'a', reasons: [] };
    expect(describeJoined(answer, byPerson)).toContain('started by a drop by ada at');
  });

  it('hears nothing of its own run, nor of one that has ended meanwhile', () => {
    expect(joined('started', 'a')).toBeUndefined();
    expect(joined('coalesced', 'c')).toBeUndefined();
    expect(
      describeJoined({ outcome: 'queued', runId: 'b', reasons: [] }, undefined),
    ).toBeUndefined();
  });
});
