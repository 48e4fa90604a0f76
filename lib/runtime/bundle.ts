import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { canonicalJson } from '../../core/canonical-json.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { workFolder } from './work-folder.ts';

const root = join(import.meta.dirname, '..', '..');
const bundled = new Map<string, Uint8Array>();

/** Native modules come in layers. */
const external = ['onnxruntime-node', '@duckdb/node-api'];

function compile(entry: string): Uint8Array {
  const known = bundled.get(entry);
  if (known) return known;
  const { outputFiles } = buildSync({
    entryPoints: [join(root, 'lambdas', `${entry}.handler.ts`)],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    // A layer is found by require(), not by import.
    format: 'cjs',
    // Names stay readable in stack traces, and errors are matched by theirs.
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true,
    external,
    logLevel: 'error',
  });
  const code = outputFiles[0]?.contents;
  if (!code) throw new Error(`lambdas/${entry}.handler.ts gave no bundle`);
  bundled.set(entry, code);
  return code;
}

/**
 * Bundles a handler, with the model's definition beside it where it serves one model.
 * @param entry `<capability>/<verb-noun>`, as in datasets/take-snapshot
 * @returns the folder of index.js and, with a model, model.json
 */
export function bundleHandler(entry: string, model?: ModelDefinition): string {
  const target = join(workFolder(), entry.replace('/', '-'), model?.name ?? '_');
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, 'index.js'), compile(entry));
  if (model) writeFileSync(join(target, 'model.json'), canonicalJson(model));
  return target;
}
