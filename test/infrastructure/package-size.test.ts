import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { bundleHandler } from '../../lib/runtime/bundle.ts';
import { nativeModules } from '../../lib/runtime/native-layer.ts';

const megabyte = 1_000_000;
/** Of a file in an archive: its name twice, and what is said about it. */
const entryBytes = 200;

/** What the files of a folder are as a zip, and unpacked. */
function sizesOf(folder: string): { readonly zipped: number; readonly unpacked: number } {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
  const contents = files.map((path) => readFileSync(path));
  return {
    zipped: contents.reduce((sum, bytes) => sum + deflateRawSync(bytes).length + entryBytes, 0),
    unpacked: contents.reduce((sum, bytes) => sum + bytes.length, 0),
  };
}

function layerFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-layer-'));
  nativeModules('onnxruntime', { os: 'linux', cpu: 'x64' }, folder);
  return folder;
}

describe('what an endpoint on Lambda is deployed with', () => {
  it('has at most 20 MB as archives, and far less unpacked than Lambda takes', () => {
    const [code, layer] = [sizesOf(bundleHandler('inference/predict')), sizesOf(layerFolder())];
    // ONNX Runtime is in it: an empty folder would be small too.
    expect(layer.unpacked).toBeGreaterThan(20 * megabyte);
    expect(code.unpacked).toBeGreaterThan(0.1 * megabyte);
    expect((code.zipped + layer.zipped) / megabyte).toBeLessThanOrEqual(20);
    expect((code.unpacked + layer.unpacked) / megabyte).toBeLessThan(100);
  });

  it('reads at its start at most half a megabyte of code, and has beside it what few models need', () => {
    const folder = bundleHandler('inference/predict');
    const index = join(folder, 'index.js');
    const code = readFileSync(index, 'utf8');
    expect(code.length / megabyte).toBeLessThan(0.5);
    const needed = createRequire(index);
    expect(needed('iovalkey').Cluster).toBeTypeOf('function');
    expect(needed('@aws-sdk/client-sagemaker-runtime').InvokeEndpointCommand).toBeTypeOf(
      'function',
    );
    for (const name of ['iovalkey', '@aws-sdk/client-sagemaker-runtime']) {
      expect(needed.resolve(name)).toContain(folder);
    }
    // A function that has no use for them does not carry them.
    expect(readdirSync(bundleHandler('delivery/stage-version'))).toEqual(['index.js']);
  });
});
