// Packs the inference server as the tasks on Fargate have it, with the Dockerfile that makes an image of it:
// for SageMaker, or wherever else images run. `node bin/pack-server.ts <folder> [x64|arm64]`
import { copyFileSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { serverArchive } from '../lib/runtime/server-archive.ts';

const [folder, cpu = 'x64'] = process.argv.slice(2);
if (folder === undefined || (cpu !== 'x64' && cpu !== 'arm64')) {
  console.error('usage: node bin/pack-server.ts <folder> [x64|arm64]');
  process.exit(2);
}
const target = resolve(folder);
mkdirSync(target, { recursive: true });
copyFileSync(serverArchive({ os: 'linux', cpu }).file, join(target, 'server.tgz'));
const server = join(import.meta.dirname, '..', 'containers', 'inference-server');
copyFileSync(join(server, 'Dockerfile'), join(target, 'Dockerfile'));
const platform = cpu === 'x64' ? 'linux/amd64' : 'linux/arm64';
console.log(`docker build --platform ${platform} --tag slipway-inference-server ${target}`);
