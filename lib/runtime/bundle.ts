import { globSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type BuildOptions, buildSync } from 'esbuild';
import { canonicalJson } from '../../core/canonical-json.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { workFolder } from './work-folder.ts';

const handlers = join(import.meta.dirname, '..', '..', 'lambdas');
const suffix = '.handler.ts';

/** A file of its own, with the packages that stand beside it because few starts need them. */
interface Bundle {
  readonly code: Uint8Array;
  readonly packages: readonly string[];
}
let bundles: Map<string, Bundle> | undefined;

/** Native modules come in layers. */
const native = ['onnxruntime-node', '@duckdb/node-api', '@duckdb/node-bindings'];

/** Loaded by import() where a model needs them. Inside of a bundle they would be read at every start all the same. */
const seldomNeeded = ['@aws-sdk/client-sagemaker-runtime', 'iovalkey'];

const options = {
  absWorkingDir: join(handlers, '..'),
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
  // An import() reads all that a module of Node exports, of node:http a whole WebSocket client; require() reads
  // what is used.
  supported: { 'dynamic-import': false },
  logLevel: 'error',
} as const satisfies BuildOptions;

/** All handlers in one go, because most of the time goes into reading what they share. */
function compileAll(): Map<string, Bundle> {
  const entries = globSync(`*/*${suffix}`, { cwd: handlers }).map((file) =>
    file.slice(0, -suffix.length),
  );
  const { outputFiles, metafile } = buildSync({
    ...options,
    entryPoints: entries.map((entry) => ({ in: join(handlers, entry + suffix), out: entry })),
    outdir: handlers,
    external: [...native, ...seldomNeeded],
    metafile: true,
  });
  const packagesOf = (path: string): string[] => {
    const imported = metafile.outputs[relative(options.absWorkingDir, path)]?.imports ?? [];
    return seldomNeeded.filter((name) => imported.some((one) => one.path === name));
  };
  return new Map(
    outputFiles.map(({ path, contents }) => [
      relative(handlers, path).slice(0, -'.js'.length),
      { code: contents, packages: packagesOf(path) },
    ]),
  );
}

const packageBundles = new Map<string, Uint8Array>();

function compilePackage(name: string): Uint8Array {
  const compiled = packageBundles.get(name);
  if (compiled) return compiled;
  const [file] = buildSync({ ...options, entryPoints: [name] }).outputFiles;
  if (!file) throw new Error(`the package ${name} was not bundled`);
  packageBundles.set(name, file.contents);
  return file.contents;
}

function compile(entry: string): Bundle {
  bundles ??= compileAll();
  const bundle = bundles.get(entry);
  if (!bundle) throw new Error(`there is no lambdas/${entry}${suffix}`);
  return bundle;
}

/**
 * Bundles a handler, with the model's definition beside it where it serves one model.
 * @param entry `<capability>/<verb-noun>`, as in datasets/take-snapshot
 * @returns the folder of index.js, of node_modules with what it seldom needs and, with a model, of model.json
 */
export function bundleHandler(entry: string, model?: ModelDefinition): string {
  const target = join(workFolder(), entry.replace('/', '-'), model?.name ?? '_');
  mkdirSync(target, { recursive: true });
  const { code, packages } = compile(entry);
  writeFileSync(join(target, 'index.js'), code);
  for (const name of packages) {
    const folder = join(target, 'node_modules', name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'index.js'), compilePackage(name));
  }
  if (model) writeFileSync(join(target, 'model.json'), canonicalJson(model));
  return target;
}
