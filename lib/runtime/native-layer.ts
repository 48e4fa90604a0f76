import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { Architecture, Code, LayerVersion, Runtime } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { workFolder } from './work-folder.ts';

export interface Platform {
  readonly os: 'linux' | 'darwin';
  readonly cpu: 'x64' | 'arm64';
}

const nodeModules = join(import.meta.dirname, '..', '..', 'node_modules');

/** What of a package is needed at run time: its other platforms and installers stay behind. */
const contents = {
  onnxruntime: ({ os, cpu }: Platform) => [
    'onnxruntime-node/package.json',
    'onnxruntime-node/dist',
    `onnxruntime-node/bin/napi-v6/${os}/${cpu}`,
    'onnxruntime-common/package.json',
    'onnxruntime-common/dist/cjs',
  ],
  duckdb: ({ os, cpu }: Platform) => [
    '@duckdb/node-api',
    '@duckdb/node-bindings',
    `@duckdb/node-bindings-${os}-${cpu}`,
    'detect-libc',
  ],
};

/** Copies what a native library needs into a folder node_modules. */
export function nativeModules(
  library: keyof typeof contents,
  platform: Platform,
  target: string,
): void {
  for (const path of contents[library](platform)) {
    const source = join(nodeModules, path);
    if (!existsSync(source)) {
      throw new Error(
        `node_modules/${path} is missing: ${library} needs its ${platform.os}/${platform.cpu} build. ` +
          `Run: npm install --no-save --os=${platform.os} --cpu=${platform.cpu}`,
      );
    }
    cpSync(source, join(target, path), { recursive: true });
  }
}

function stage(library: keyof typeof contents, platform: Platform): string {
  const folder = join(workFolder(), `${library}-${platform.os}-${platform.cpu}`);
  if (existsSync(folder)) return folder;
  nativeModules(library, platform, join(folder, 'nodejs', 'node_modules'));
  return folder;
}

/** A native library as a Lambda layer, pruned to the platform it runs on. */
export function nativeLayer(
  scope: Construct,
  id: string,
  library: keyof typeof contents,
  platform: Platform,
): LayerVersion {
  return new LayerVersion(scope, id, {
    code: Code.fromAsset(stage(library, platform)),
    compatibleRuntimes: [Runtime.NODEJS_24_X],
    compatibleArchitectures: [platform.cpu === 'x64' ? Architecture.X86_64 : Architecture.ARM_64],
    description: `${library} for ${platform.os}/${platform.cpu}`,
  });
}
