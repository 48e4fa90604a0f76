import { globSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { buildSync } from 'esbuild';
import { canonicalJson } from '../../core/canonical-json.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { workFolder } from './work-folder.ts';

const handlers = join(import.meta.dirname, '..', '..', 'lambdas');
let bundles: Map<string, Uint8Array> | undefined;

/** Native modules come in layers. */
const external = ['onnxruntime-node', '@duckdb/node-api', '@duckdb/node-bindings'];

/** All handlers in one go, because most of the time goes into reading what they share. */
function compileAll(): Map<string, Uint8Array> {
  const suffix = '.handler.ts';
  const entries = globSync(`*/*${suffix}`, { cwd: handlers }).map((file) =>
    file.slice(0, -suffix.length),
  );
  const { outputFiles } = buildSync({
    entryPoints: entries.map((entry) => ({ in: join(handlers, entry + suffix), out: entry })),
    outdir: handlers,
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    // A layer is found by require(), not by import.
    format: 'cjs',
    // Names stay readable in stack traces. To keep also those that a bundle has twice would cost a call for each
    // function of it at every start; errors are matched by names that they set themselves.
    minifySyntax: true,
    minifyWhitespace: true,
    // What is not used of a package stays out of a bundle only where it is an ES module: a third of the code
    // and of the time that it takes to load.
    mainFields: ['module', 'main'],
    // The SDK imports node:http when it is first needed, and an import reads all that a module exports, of this
    // one a whole WebSocket client; require() reads what is used.
    supported: { 'dynamic-import': false },
    external,
    logLevel: 'error',
  });
  return new Map(
    outputFiles.map(({ path, contents }) => [
      relative(handlers, path).slice(0, -'.js'.length),
      contents,
    ]),
  );
}

function compile(entry: string): Uint8Array {
  bundles ??= compileAll();
  const code = bundles.get(entry);
  if (!code) throw new Error(`there is no lambdas/${entry}.handler.ts`);
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
